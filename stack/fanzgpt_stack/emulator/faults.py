"""From an action of a script to the reply that it makes of an answer."""

from dataclasses import replace
from email.utils import formatdate
from functools import lru_cache
from typing import assert_never
from zlib import compressobj

import orjson

from fanzgpt_stack.emulator.actions import (
    AnyAction,
    Count,
    Cut,
    Drip,
    Finish,
    Garbage,
    Hang,
    Reset,
    Say,
    Slow,
    Status,
    StreamFault,
)
from fanzgpt_stack.emulator.calls import Answer, Kinds, text_tokens
from fanzgpt_stack.emulator.rendering import Exchange, answered, document, events
from fanzgpt_stack.emulator.replies import Headers, Reply, streamed, whole
from fanzgpt_stack.emulator.vendor import Refused

_HTML = b"<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"


def acted(action: AnyAction, exchange: Exchange, answer: Answer) -> Reply:
    """The reply to a call that a rule decided."""
    match action:
        case Status():
            return _refused(action, exchange)
        case Garbage():
            return _garbage(action, exchange, answer)
        case StreamFault():
            return _faulty_stream(action, exchange, answer)
        case Finish() | Say() | Count():
            return answered(exchange, altered(action, answer))
        case Slow():
            return answered(replace(exchange, delay=exchange.delay + action.seconds), answer)
        case Reset():
            return Reply(head=b"", parts=(), delay=exchange.delay, ending="reset")
        case Hang(after_bytes=None):
            return Reply(head=b"", parts=(), delay=exchange.delay, ending="hang")
        case Hang():
            return replace(_first_bytes(answered(exchange, answer), action.after_bytes or 0), ending="hang")
        case Cut():
            return _cut(action, answered(exchange, answer))
        case Drip():
            reply = answered(exchange, answer)
            content = b"".join(reply.parts)
            drops = tuple(content[start : start + action.bytes] for start in range(0, len(content), action.bytes))
            return replace(reply, parts=drops, between=action.every)
        case _:
            assert_never(action)


def altered(action: AnyAction | None, answer: Answer) -> Answer:
    """The answer as far as an action changes what it says, and so what it costs."""
    match action:
        case Say(text=text):
            return replace(answer, text=text, output_tokens=text_tokens(text))
        case Count():
            kinds = Kinds(**action.model_dump(exclude={"do", "billed", "input", "output"}))
            return replace(
                answer,
                input_tokens=answer.input_tokens if action.input is None else action.input,
                output_tokens=answer.output_tokens if action.output is None else action.output,
                kinds=kinds,
            )
        case Finish(reason="length"):
            text = answer.text[: max(1, len(answer.text) // 2)]
            return replace(answer, text=text, finish="length", output_tokens=text_tokens(text))
        case Finish(reason="refusal"):
            text = "I'm sorry, but I can't help with that."
            return replace(answer, text=text, finish="refusal", output_tokens=text_tokens(text))
        case Finish(reason="content_filter"):
            return replace(answer, text="", finish="content-filter", output_tokens=0)
        case _:
            return answer


def told_wait(action: AnyAction | None) -> float | None:
    """The seconds that a refusal tells the caller to wait, where it says so in a number."""
    match action:
        case Status(retry_after=float() as wait) | Status(retry_after_date=float() as wait):
            return wait
        case Status(retry_after_ms=float() as milliseconds):
            return milliseconds / 1000
        case _:
            return None


def _refused(action: Status, exchange: Exchange) -> Reply:
    refusal = exchange.shape.error(
        Refused(
            status=action.status,
            kind=action.kind,
            message=action.message,
            model=exchange.call.model,
            number=exchange.marks.number,
        )
    )
    body = refusal.body if action.body is None else action.body.encode()
    return whole(
        refusal.status,
        body,
        content_type=refusal.content_type,
        headers=(*exchange.headers, *_wait_headers(action, exchange.arrived), *action.headers.items()),
        delay=exchange.delay,
    )


def _wait_headers(action: Status, now: float) -> Headers:
    if action.retry_after is not None:
        wait = action.retry_after
        return (("retry-after", wait if isinstance(wait, str) else f"{wait:g}"),)
    if action.retry_after_ms is not None:
        return (("retry-after-ms", f"{action.retry_after_ms:g}"),)
    if action.retry_after_date is not None:
        return (("retry-after", formatdate(now + action.retry_after_date, usegmt=True)),)
    return ()


def _garbage(action: Garbage, exchange: Exchange, answer: Answer) -> Reply:
    headers, delay = exchange.headers, exchange.delay
    good = document(exchange, answer)
    match action.what:
        case "html":
            return whole(200, _HTML, content_type="text/html; charset=utf-8", headers=headers, delay=delay)
        case "not-http":
            return Reply(head=b"SSH-2.0-OpenSSH_9.9\r\n", parts=(), delay=delay, ending="close")
        case "gzip-bomb":
            bomb = _bomb(action.bytes)
            return whole(200, bomb, headers=(*headers, ("content-encoding", "gzip")), delay=delay)
        case "huge":
            body = _huge(good, action.bytes)
        case "invalid-json":
            whole_body = orjson.dumps(good)
            body = whole_body[: len(whole_body) // 2]
        case "empty-body":
            body = b""
        case "empty-choices":
            body = orjson.dumps({**good, **{name: [] for name in ("choices", "content") if name in good}})
        case "null-content":
            body = orjson.dumps(_with_content(good, None))
        case "wrong-type":
            body = orjson.dumps(_with_content(good, 42))
        case "missing-usage":
            body = orjson.dumps({name: value for name, value in good.items() if name != "usage"})
    return whole(200, body, headers=headers, delay=delay)


def _with_content(good: dict[str, object], content: object) -> dict[str, object]:
    if "choices" in good:
        message = {"role": "assistant", "content": content, "refusal": None}
        return {**good, "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]}
    return {**good, "content": [{"type": "text", "text": content}]}


def _huge(good: dict[str, object], size: int) -> bytes:
    frame = len(orjson.dumps(_with_content(good, "")))
    return orjson.dumps(_with_content(good, "x" * max(0, size - frame)))


@lru_cache(maxsize=2)
def _bomb(size: int) -> bytes:
    packer = compressobj(9, wbits=31)
    block = b" " * 1_000_000
    packed = [packer.compress(block) for _ in range(size // len(block))]
    packed += [packer.compress(b" " * (size % len(block))), packer.flush()]
    return b"".join(packed)


def _faulty_stream(action: StreamFault, exchange: Exchange, answer: Answer) -> Reply:
    if not exchange.call.stream:
        return answered(exchange, answer)
    if action.fault == "split-utf8":
        # A text that has such a character, whatever the call was.
        answer = replace(answer, text=f"{answer.text} 💛") if exchange.call.schema is None else answer
    whole_stream = events(exchange, answer)
    texts = [at for at, event in enumerate(whole_stream) if exchange.shape.text_event(event)]
    at = texts[min(action.after_chunks, len(texts) - 1)] if texts else len(whole_stream) - 1
    match action.fault:
        case "error-event":
            faulty = [*whole_stream[:at], exchange.shape.error_event()]
        case "no-end":
            faulty = whole_stream[:at]
        case "no-usage":
            faulty = exchange.shape.without_usage(whole_stream)
        case "duplicate-chunk":
            faulty = [*whole_stream[: at + 1], *whole_stream[at:]]
        case "split-utf8":
            faulty = _torn(whole_stream)
    return streamed(faulty, headers=exchange.headers, delay=exchange.delay, between=exchange.between)


def _torn(events_: list[bytes]) -> list[bytes]:
    """The same bytes in other chunks: each with a character of several bytes is torn within it."""
    torn: list[bytes] = []
    for event in events_:
        middle = next((at for at, byte in enumerate(event) if byte >= 0xC0), None)
        torn += [event] if middle is None else [event[: middle + 1], event[middle + 1 :]]
    return torn


def _cut(action: Cut, reply: Reply) -> Reply:
    ending = action.how
    if action.after_chunks is not None:
        # What is not streamed is one chunk: it is cut before it.
        return replace(reply, parts=reply.parts[: min(action.after_chunks, len(reply.parts) - 1)], ending=ending)
    return replace(_first_bytes(reply, action.after_bytes or 0), ending=ending)


def _first_bytes(reply: Reply, length: int) -> Reply:
    parts: list[bytes] = []
    for part in reply.parts:
        parts.append(part[:length])
        length -= len(parts[-1])
        if length <= 0:
            break
    return replace(reply, parts=tuple(parts))
