"""From an answer to the reply that a client of the vendor understands."""

from dataclasses import dataclass

import orjson

from fanzgpt_stack.emulator.calls import Answer, Call
from fanzgpt_stack.emulator.replies import Headers, Reply, streamed, whole
from fanzgpt_stack.emulator.speech_shape import MEDIA_TYPES, audio
from fanzgpt_stack.emulator.vendor import Marks, VendorShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One call with everything that its reply needs. `arrived` is seconds since the epoch."""

    call: Call
    shape: VendorShape
    marks: Marks
    arrived: float
    headers: Headers
    delay: float
    pieces: int
    between: float


def answered(exchange: Exchange, answer: Answer) -> Reply:
    """The answer, whole or streamed as the call asks."""
    if exchange.call.stream:
        return streamed(
            events(exchange, answer), headers=exchange.headers, delay=exchange.delay, between=exchange.between
        )
    if exchange.call.speech is not None:
        return whole(
            200,
            audio(exchange.call, answer.text),
            content_type=MEDIA_TYPES[exchange.call.speech],
            headers=exchange.headers,
            delay=exchange.delay,
        )
    return whole(200, orjson.dumps(document(exchange, answer)), headers=exchange.headers, delay=exchange.delay)


def document(exchange: Exchange, answer: Answer) -> dict[str, object]:
    """The JSON of a whole answer."""
    return exchange.shape.body(exchange.call, answer, exchange.marks)


def events(exchange: Exchange, answer: Answer) -> list[bytes]:
    """The events of a streamed answer."""
    size = max(1, -(-len(answer.text) // exchange.pieces))
    pieces = [answer.text[start : start + size] for start in range(0, len(answer.text), size)]
    return exchange.shape.events(exchange.call, answer, exchange.marks, pieces)
