"""The life of requests with a ledger and topics in memory, a provider that does as it is told, and time in hand."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from tests.simulation.clock import BEGIN, VirtualClock, VirtualLoop

from fanzgpt_producers.memory import MemoryPublisher
from fanzgpt_schemas.codec import Encoded
from fanzgpt_schemas.events import REQUESTED_TOPIC
from fanzgpt_schemas.identity import request_key
from fanzgpt_schemas.requests import OnUnknown
from fanzgpt_workers.core.attempts import AttemptStarted, Price, Usage
from fanzgpt_workers.core.claims import Granted
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.core.retry import RetryPolicy
from fanzgpt_workers.core.routing import Routes, Target
from fanzgpt_workers.errors import ProviderError
from fanzgpt_workers.lifecycle.answering import Answering, AnswerPolicy
from fanzgpt_workers.lifecycle.books import Books
from fanzgpt_workers.lifecycle.calling import Caller, CallPolicy
from fanzgpt_workers.lifecycle.cancelling import Wishes
from fanzgpt_workers.lifecycle.door import Door
from fanzgpt_workers.lifecycle.fetching import Fetching
from fanzgpt_workers.lifecycle.intake import GenerationIntake
from fanzgpt_workers.lifecycle.purse import Purse
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.ports import Completion, ContentFilter, Ledger, Partials, Pricing, ProviderCall, StoredAnswers
from fanzgpt_workers.prompts.library import PromptLibrary
from fanzgpt_workers.publishing.dead_letters import DeadLetters
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.records import Handled, Record
from fanzgpt_workers.stores.memory_ledger import HeldAttempt, HeldRequest, MemoryLedger

TAKEOVER_SECONDS = 60.0


class ToldProvider:
    """Answers what it is told to, one thing a call: a text, an error, or an event to wait for first."""

    name = "openai"

    def __init__(self) -> None:
        self.calls: list[ProviderCall] = []
        self.answers: list[str | Exception | asyncio.Event] = []
        self.fails_late: Exception | None = None
        self.says_first = ""

    async def complete(self, call: ProviderCall) -> Completion:
        self.calls.append(call)
        answer = self.answers.pop(0) if self.answers else "an answer"
        if call.grown is not None:
            call.grown(self.says_first)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = self.fails_late or "a late answer"
        if isinstance(answer, Exception):
            raise answer
        usage = Usage(input=10, output=5)
        return Completion(text=answer, model="m-1", response_id="id", finish_reason="stop", usage=usage)

    async def aclose(self) -> None: ...


class Cents:
    """A cent a call."""

    def price(self, **_: object) -> Price:
        return Price(usd=Decimal("0.01"), version="test")


class Heard:
    """What observers are told."""

    def __init__(self) -> None:
        self.found_as: list[str] = []
        self.ended_as: list[str] = []
        self.broken: list[Exception] = []

    def ended(self, request: object, status: str, course: object) -> None:
        self.ended_as.append(status)

    def found(self, request: object, what: str) -> None:
        self.found_as.append(what)

    def fetched(self, request: object, attempt: object) -> None:
        self.found_as.append("fetched")

    def not_fetched(self, request: object, attempt: object, error: ProviderError | None) -> None:
        self.found_as.append("not there" if error is None else error.outcome)

    def refused(self, record: Record, error: Exception) -> None: ...

    def broke(self, record: Record, error: Exception) -> None:
        self.broken.append(error)


@cache
def prompts() -> PromptLibrary:
    return PromptLibrary(today=BEGIN.date)


def asked(**more: object) -> dict[str, Any]:
    """A request as a sender writes it."""
    asked: dict[str, Any] = {
        "requestId": "r-1",
        "userId": "u-1",
        "type": "social-post",
        "input": {"topic": "rain", "platform": "x"},
    }
    return {**asked, **more}


class Living:
    """One worker's parts below its engine."""

    def __init__(
        self,
        *,
        switched_on: Sequence[str] = ("FEATURE_CONTENT_GENERATION",),
        on_unknown: OnUnknown = "retry",
        content_filter: ContentFilter | None = None,
        ledger: Ledger | None = None,
        repairs: int = 1,
        door: Door | None = None,
        fallbacks: Sequence[Target] = (),
        partials: Partials | None = None,
        purse: Purse | None = None,
        pricing: Pricing | None = None,
        stored: StoredAnswers | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.clock = VirtualClock(loop)
        self.ledger = MemoryLedger(clock=self.clock, takeover_after=TAKEOVER_SECONDS)
        self.topics, self.provider, self.heard = MemoryPublisher(), ToldProvider(), Heard()
        self.other = ToldProvider()
        self.wishes = Wishes(self.clock)
        self.books = Books(ledger or self.ledger, away=lambda _: None)
        publication = Publication(self.topics, away=lambda _: None)
        self.answering = Answering(
            books=self.books,
            caller=Caller(
                books=self.books,
                providers={"openai": self.provider, "anthropic": self.other},
                prompts=prompts(),
                pricing=pricing or Cents(),
                purse=purse,
                clock=self.clock,
                new_id=uuid4,
                jitter=lambda: 1.0,
                policy=CallPolicy(
                    attempt_seconds=10,
                    total_seconds=300,
                    retry=RetryPolicy(billed_attempts=3, unbilled_attempts=5),
                    repairs=repairs,
                    max_tokens=100,
                    temperature=0.5,
                ),
                door=door,
                partials=partials,
            ),
            publication=publication,
            clock=self.clock,
            owner=uuid4(),
            policy=AnswerPolicy(
                switched_on=frozenset(switched_on),  # type: ignore[arg-type]
                routes=Routes(default_provider="openai", models={"openai": "m"}, fallbacks={None: tuple(fallbacks)}),
                on_unknown=on_unknown,
            ),
            observer=self.heard,
            content_filter=content_filter,
            wishes=self.wishes,
            fetching=Fetching(
                {} if stored is None else {"openai": stored},
                books=self.books,
                prompts=prompts(),
                pricing=pricing or Cents(),
                clock=self.clock,
                watcher=self.heard,
            ),
        )
        self.intake = GenerationIntake(
            answering=self.answering,
            publication=publication,
            dead_letters=DeadLetters(publication, consumer="generation", clock=self.clock),
            clock=self.clock,
            observer=self.heard,
        )

    @staticmethod
    def record(value: object, *, offset: int = 0, headers: Sequence[tuple[str, bytes]] = ()) -> Record:
        """As Kafka would deliver it; a dict is written as JSON."""
        raw = json.dumps(value).encode() if isinstance(value, dict) else value
        assert raw is None or isinstance(raw, bytes)
        return Record(Origin(REQUESTED_TOPIC, 0, offset), 1_777_593_600_000, b"u-1", raw, headers)

    async def take(self, value: object, *, offset: int = 0) -> Handled:
        """Live through one record."""
        return await self.intake.work(self.record(value, offset=offset)).run(1)

    def told(self, topic: str) -> list[dict[str, Any]]:
        """The values on a topic."""
        return [json.loads(event.value) for event in self.topics.events if event.topic == topic]

    def events(self, topic: str) -> list[Encoded]:
        """The events on a topic."""
        return [event for event in self.topics.events if event.topic == topic]

    def held(self, request_id: str = "r-1", user: str = "u-1") -> HeldRequest:
        """A request in the ledger."""
        return self.ledger.requests[request_key(user, request_id)]

    def attempts(self) -> list[HeldAttempt]:
        """Every attempt in the ledger, in order."""
        return sorted(self.ledger.attempts.values(), key=lambda held: held.started.ordinal)

    def causes(self) -> list[tuple[str, str]]:
        """Why each call was made, and what came of it."""
        return [(held.started.cause, held.ended.outcome if held.ended else "-") for held in self.attempts()]

    def in_seconds(self, seconds: float) -> str:
        """A deadline as it is written."""
        return (self.clock.now() + timedelta(seconds=seconds)).isoformat()


def identity_of(event: Encoded) -> UUID:
    """Its id."""
    return UUID(dict(event.headers)["ce_id"].decode())


async def a_call_was_under_way(living: Living, **more: object) -> UUID:
    """A worker died in the middle of a call; the id of its attempt."""
    request, granted = await another_owner(living, value=asked(**more))
    started = AttemptStarted(
        attempt_id=uuid4(),
        request_key=request.key,
        epoch=granted.epoch,
        ordinal=1,
        provider="openai",
        model="m",
        cause="first",
    )
    assert await living.ledger.start_attempts([started]) == [True]
    return started.attempt_id


async def another_owner(
    living: Living, *, offset: int = 0, value: dict[str, object] | None = None
) -> tuple[LiveRequest, Granted]:
    """Another worker has claimed the record."""
    request = live_request(living, offset=offset, value=value)
    (granted,) = await living.ledger.claim([request.claim(uuid4(), term=1)])
    assert isinstance(granted, Granted)
    return request, granted


def live_request(living: Living, *, offset: int = 0, value: dict[str, object] | None = None) -> LiveRequest:
    """The request as an intake makes it."""
    work = living.intake.work(living.record(value or asked(), offset=offset))
    request: LiveRequest = work.run.args[1]  # type: ignore[attr-defined]  # a partial
    return request
