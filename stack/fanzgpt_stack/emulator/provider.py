"""The emulator itself: takes a request, puts it on the bill, and decides its reply."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from math import ceil
from random import Random

from fanzgpt_stack.emulator import speech_shape
from fanzgpt_stack.emulator.actions import Status, is_billed, outcome_of
from fanzgpt_stack.emulator.answers import Author
from fanzgpt_stack.emulator.anthropic_shape import AnthropicShape
from fanzgpt_stack.emulator.bill import Bill, BillLine
from fanzgpt_stack.emulator.calls import PLAIN, Answer, CallRefused
from fanzgpt_stack.emulator.faults import acted, altered, told_wait
from fanzgpt_stack.emulator.http_requests import HttpRequest
from fanzgpt_stack.emulator.limits import Limits, Standing
from fanzgpt_stack.emulator.openai_shape import OpenAIShape
from fanzgpt_stack.emulator.own_ids import attempt_id, request_id
from fanzgpt_stack.emulator.prices import character_price, price_of, price_of_kinds
from fanzgpt_stack.emulator.rendering import Exchange, answered, document
from fanzgpt_stack.emulator.replies import Headers, Reply, whole
from fanzgpt_stack.emulator.scripts import Script
from fanzgpt_stack.emulator.speech_shape import SpeechShape
from fanzgpt_stack.emulator.stored_completions import StoredCompletions
from fanzgpt_stack.emulator.vendor import Marks, Refused, VendorShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast answers come, in seconds. `jitter` is added at random, evenly from 0; `between` is a stream's."""

    latency: float = 0.0
    jitter: float = 0.0
    between: float = 0.0
    pieces: int = 16


class Provider:
    """Both vendors' endpoints over one bill."""

    def __init__(
        self,
        *,
        bill: Bill,
        script: Script,
        limits: Limits,
        author: Author,
        pace: Pace,
        random: Random,
        now: Callable[[], float],
        stored: StoredCompletions,
    ) -> None:
        """`now` is seconds since the epoch; `random` draws the latencies."""
        self._bill = bill
        self._script = script
        self._limits = limits
        self._author = author
        self._pace = pace
        self._random = random
        self._now = now
        self._stored = stored
        self._openai = OpenAIShape()
        self._speech = SpeechShape()
        self._anthropic = AnthropicShape()
        self._dated = 0
        self._date = ""

    def shape_at(self, path: str) -> VendorShape | None:
        """The vendor whose calls are made at this path."""
        match path:
            case "/v1/chat/completions":
                return self._openai
            case speech_shape.PATH:
                return self._speech
            case "/v1/messages":
                return self._anthropic
            case _:
                return None

    def models(self, request: HttpRequest) -> dict[str, object]:
        """The list of models; both vendors have it at one path, and Anthropic's callers name its version."""
        anthropic = b"anthropic-version" in request.headers
        return self._anthropic.models() if anthropic else self._openai.models()

    def receive(self, request: HttpRequest, shape: VendorShape) -> Reply:
        """Take down a call and decide its reply, which must not leave before the bill is flushed."""
        number, arrived = self._bill.next_seq, self._now()
        try:
            call = shape.read(request)
            answer = self._author.answer(call)
        except CallRefused as error:
            return self._unreadable(request, shape, str(error), number, arrived)
        action = self._script.action(call)
        answer = altered(action, answer)
        standing = None
        if not isinstance(action, Status):
            standing = self._limits.take(call, input_tokens=answer.input_tokens, output_tokens=answer.output_tokens)
        exchange = Exchange(
            call=call,
            shape=shape,
            marks=Marks(number=number, created=int(arrived)),
            arrived=arrived,
            headers=self._headers(shape, standing, number, arrived),
            delay=self._latency(),
            pieces=self._pace.pieces,
            between=self._pace.between,
        )
        if standing is not None and standing.refused:
            reply = _over_limit(exchange, standing.wait)
            self._take_down(exchange, reply, outcome="over-limit", paid=None, wait=standing.wait)
        elif action is None:
            reply = answered(exchange, answer)
            self._take_down(exchange, reply, outcome="ok", paid=answer, wait=None)
            self._keep(exchange, answer, reply)
        else:
            reply = acted(action, exchange, answer)
            paid = answer if is_billed(action) else None
            self._take_down(exchange, reply, outcome=outcome_of(action), paid=paid, wait=told_wait(action))
            if paid is not None:
                self._keep(exchange, paid, reply)
        return reply

    def _keep(self, exchange: Exchange, answer: Answer, reply: Reply) -> None:
        call = exchange.call
        if call.stored is not None:
            self._stored.keep(call, call.stored, document(exchange, answer), at=exchange.arrived + reply.delay)

    def _take_down(
        self, exchange: Exchange, reply: Reply, *, outcome: str, paid: Answer | None, wait: float | None
    ) -> None:
        call = exchange.call
        cost = 0
        if paid is not None and paid.kinds is PLAIN:
            cost = price_of(call.vendor, call.model).of(paid.input_tokens, paid.output_tokens)
            if call.speech is not None:
                cost = character_price(call.vendor, call.model) * call.characters
        elif paid is not None:
            cost = price_of_kinds(call.vendor, call.model, paid)
        self._bill.add(
            BillLine(
                seq=exchange.marks.number,
                arrived_at=datetime.fromtimestamp(exchange.arrived, UTC),
                vendor=call.vendor,
                path=call.path,
                model=call.model,
                stream=call.stream,
                request_id=call.request_id,
                attempt_id=call.attempt_id,
                outcome=outcome,
                status=reply.status,
                billed=paid is not None,
                input_tokens=0 if paid is None else paid.input_tokens,
                output_tokens=0 if paid is None else paid.output_tokens,
                cost_nanodollars=cost,
                retry_after=wait,
                delay=round(reply.delay, 6),
                response_id=exchange.shape.response_id(exchange.marks.number) if reply.status == 200 else None,
                characters=0 if paid is None else call.characters,
            )
        )

    def _unreadable(self, request: HttpRequest, shape: VendorShape, reason: str, number: int, arrived: float) -> Reply:
        """The refusal of a request that no vendor would take."""
        refusal = shape.error(Refused(status=400, message=reason, number=number))
        self._bill.add(
            BillLine(
                seq=number,
                arrived_at=datetime.fromtimestamp(arrived, UTC),
                vendor=shape.vendor,
                path=request.path,
                model=None,
                stream=False,
                request_id=request_id(request),
                attempt_id=attempt_id(request),
                outcome="unreadable",
                status=400,
                billed=False,
                input_tokens=0,
                output_tokens=0,
                cost_nanodollars=0,
                retry_after=None,
                delay=0.0,
                response_id=None,
            )
        )
        headers = self._headers(shape, None, number, arrived)
        return whole(refusal.status, refusal.body, content_type=refusal.content_type, headers=headers)

    def _headers(self, shape: VendorShape, standing: Standing | None, number: int, arrived: float) -> Headers:
        second = int(arrived)
        if second != self._dated:
            self._dated, self._date = second, formatdate(second, usegmt=True)
        headers = (("date", self._date), *shape.headers(number))
        return headers if standing is None else (*headers, *shape.limit_headers(standing, now=arrived))

    def _latency(self) -> float:
        jitter = self._pace.jitter
        return self._pace.latency + (self._random.random() * jitter if jitter else 0.0)


def _over_limit(exchange: Exchange, wait: float | None) -> Reply:
    """429 as the vendors send it when a limit is really reached; it is refused at once, whatever the latency."""
    refusal = exchange.shape.error(Refused(status=429, model=exchange.call.model, number=exchange.marks.number))
    times: tuple[tuple[str, str], ...] = () if wait is None else (("retry-after", str(ceil(wait))),)
    if wait is not None and exchange.call.vendor == "openai":
        times = (*times, ("retry-after-ms", str(ceil(wait * 1000))))
    return whole(refusal.status, refusal.body, content_type=refusal.content_type, headers=(*exchange.headers, *times))
