"""Any course of calls has the same answers and leaves the same state in PostgreSQL and in memory."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, Outcome, Usage
from fanzgpt_workers.core.claims import AlreadyEnded, Claim, Conflicting, Granted, OwnedElsewhere
from fanzgpt_workers.core.endings import Ending, Saved, Superseded
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.stores.database import Database, open_database
from fanzgpt_workers.stores.memory_ledger import MemoryLedger
from fanzgpt_workers.stores.migrate import migrate
from fanzgpt_workers.stores.postgres_ledger import PostgresLedger

# Few of everything, so that calls meet: the interesting courses are those in which two parties mean the same request.
REQUESTS = st.integers(0, 2)
OWNERS = st.integers(0, 1)
TERMS = st.sampled_from([1, 1, 1, 2, 3])
STALE = st.sampled_from([0, 0, 0, 1])  # epochs behind the present one
ATTEMPTS = st.integers(0, 5)
OUTCOMES = st.sampled_from(["ok", "timeout", "unknown"])
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OUTBOXES = st.sampled_from(["[1]", "[2]"])


@dataclass(frozen=True)
class Claiming:
    items: Sequence[tuple[int, int, int, int]]  # request, origin, fingerprint, owner
    impatient: bool


@dataclass(frozen=True)
class Starting:
    items: Sequence[tuple[int, int, int]]  # ordinal, request, epochs behind


@dataclass(frozen=True)
class Settling:
    items: Sequence[tuple[int, Outcome]]  # which attempt, what became of it


@dataclass(frozen=True)
class Finishing:
    items: Sequence[tuple[int, int, str, tuple[int, Outcome] | None]]  # request, epochs behind, outbox, settlement


@dataclass(frozen=True)
class Publishing:
    items: Sequence[int]


Call = Claiming | Starting | Settling | Finishing | Publishing


def batches(item: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(item, min_size=1, max_size=4)


CALLS = st.one_of(
    st.builds(
        Claiming,
        batches(st.tuples(REQUESTS, st.integers(0, 1), st.sampled_from([0, 0, 0, 1]), OWNERS, TERMS)),
        impatient=st.sampled_from([False, False, False, True]),
    ),
    st.builds(Starting, batches(st.tuples(st.integers(1, 2), REQUESTS, STALE))),
    st.builds(Settling, batches(st.tuples(ATTEMPTS, OUTCOMES))),
    st.builds(Finishing, batches(st.tuples(REQUESTS, STALE, OUTBOXES, st.none() | st.tuples(ATTEMPTS, OUTCOMES)))),
    st.builds(Publishing, batches(REQUESTS)),
)


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class World:
    """One course of calls over names that no other course uses."""

    def __init__(self, twin: MemoryLedger) -> None:
        self.name = uuid4()
        self.twin = twin
        self.attempts: dict[UUID, None] = {}

    def key(self, kind: str, number: int) -> UUID:
        return uuid5(self.name, f"{kind}{number}")

    def act(self, call: Call) -> tuple[str, list[object]]:
        """The ledger's method and its argument. What a call refers to is what stands when it is made."""
        match call:
            case Claiming():
                return "claim", [self.claim(*item) for item in call.items]
            case Starting():
                return "start_attempts", [self.start(*item) for item in call.items]
            case Settling():
                return "settle", [self.settlement(*item) for item in call.items]
            case Finishing():
                return "finish", [self.ending(*item) for item in call.items]
            case Publishing():
                return "mark_published", [self.key("request", number) for number in call.items]

    def claim(self, request: int, origin: int, fingerprint: int, owner: int, term: int) -> Claim:
        return Claim(
            request_key=self.key("request", request),
            request_id=f"{request}",
            user_id="u",
            user_key=self.name,
            generation_type="social-post",
            fingerprint=bytes([fingerprint]),
            origin=Origin("requests", 0, 10 * request + origin),
            owner=self.key("owner", owner),
            term=term,
        )

    def start(self, ordinal: int, request: int, behind: int) -> AttemptStarted:
        epoch = self.present_epoch(request) - behind
        attempt = AttemptStarted(
            attempt_id=self.key(f"attempt of {request} under {epoch}: ", ordinal),
            request_key=self.key("request", request),
            epoch=epoch,
            ordinal=ordinal,
            provider="p",
            model="m",
            cause="first",
        )
        self.attempts[attempt.attempt_id] = None
        return attempt

    def settlement(self, attempt: int, outcome: Outcome) -> AttemptEnded:
        known = list(self.attempts)[-6:] or [self.name]
        usage = Usage(input=attempt, output=1) if outcome == "ok" else None
        return AttemptEnded(attempt_id=known[attempt % len(known)], outcome=outcome, usage=usage)

    def ending(self, request: int, behind: int, outbox: str, settles: tuple[int, Outcome] | None) -> Ending:
        return Ending(
            request_key=self.key("request", request),
            epoch=self.present_epoch(request) - behind,
            state="completed",
            outbox=outbox,
            settles=None if settles is None else self.settlement(*settles),
        )

    def present_epoch(self, request: int) -> int:
        held = self.twin.requests.get(self.key("request", request))
        return held.epoch if held is not None else 1

    async def stored(self, database: Database) -> tuple[dict[UUID, object], dict[UUID, object]]:
        async with database.connection() as connection:
            requests = await connection.fetch(
                "SELECT request_key, epoch, owner, origin_offset, outbox, published_at IS NOT NULL AS published"
                " FROM ai_requests WHERE user_key = $1",
                self.name,
            )
            attempts = await connection.fetch(
                "SELECT attempt_id, a.epoch, ordinal, outcome, input_tokens FROM ai_attempts AS a"
                " JOIN ai_requests USING (request_key) WHERE user_key = $1",
                self.name,
            )
        return ({row[0]: tuple(row)[1:] for row in requests}, {row[0]: tuple(row)[1:] for row in attempts})

    def remembered(self) -> tuple[dict[UUID, object], dict[UUID, object]]:
        requests = {
            key: (
                held.epoch,
                held.claim.owner,
                held.claim.origin.offset,
                held.ending and held.ending[1],
                held.published,
            )
            for key, held in self.twin.requests.items()
        }
        attempts = {
            key: (
                held.started.epoch,
                held.started.ordinal,
                held.ended and held.ended.outcome,
                held.ended and held.ended.usage and held.ended.usage.input,
            )
            for key, held in self.twin.attempts.items()
        }
        return requests, attempts


def comparable(answer: Sequence[object] | None) -> list[object]:
    """Without how long an owner was idle and when exactly an attempt began, which is each ledger's own clock's."""
    now, compared = datetime.now(UTC), list[object]()
    for verdict in answer or ():
        match verdict:
            case OwnedElsewhere():
                compared.append(OwnedElsewhere(0))
            case Granted(epoch, past):
                assert all(timedelta(0) <= now - attempt.started_at < timedelta(minutes=5) for attempt in past)
                compared.append(Granted(epoch, tuple(replace(attempt, started_at=BEGIN) for attempt in past)))
            case _:
                compared.append(verdict)
    return compared


def kinds(answer: Sequence[object]) -> Iterator[str]:
    for verdict in answer:
        match verdict:
            case Granted(epoch=1):
                yield "granted"
            case Granted(past=past):
                yield "taken over with past attempts" if past else "taken over"
            case Conflicting():
                yield "conflicting"
            case AlreadyEnded():
                yield "ended already"
            case OwnedElsewhere():
                yield "owned elsewhere"
            case Saved():
                yield "saved"
            case Superseded(outbox=None):
                yield "superseded by nobody yet"
            case Superseded():
                yield "superseded by an ending"
            case started:
                yield "started" if started else "not started"


@pytest.fixture
def ledger_url(database_url: str) -> str:
    migrate(database_url)
    return database_url


def test_any_course_of_calls_is_answered_alike(ledger_url: str) -> None:
    met: set[str] = set()
    with asyncio.Runner() as runner:
        database = runner.run(open_database(ledger_url))
        patient = PostgresLedger(database, takeover_after=3600)
        impatient = PostgresLedger(database, takeover_after=-3600)

        async def compare(calls: Sequence[Call]) -> None:
            twin = MemoryLedger(clock=SystemClock(), takeover_after=3600)
            impatient_twin = MemoryLedger(clock=SystemClock(), takeover_after=-3600)
            impatient_twin.requests, impatient_twin.attempts = twin.requests, twin.attempts
            world = World(twin)
            for call in calls:
                method, argument = world.act(call)
                hasty = isinstance(call, Claiming) and call.impatient
                answer = comparable(await getattr(impatient if hasty else patient, method)(argument))
                assert answer == comparable(await getattr(impatient_twin if hasty else twin, method)(argument)), call
                met.update(kinds(answer))
            assert await world.stored(database) == world.remembered()

        @settings(
            max_examples=250,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        )
        @given(st.lists(CALLS, min_size=4, max_size=25))
        def course(calls: Sequence[Call]) -> None:
            runner.run(compare(calls))

        try:
            course()
        finally:
            runner.run(database.close())
    # A course in which nobody meets anybody shows nothing.
    assert met >= {
        "granted", "taken over", "taken over with past attempts", "conflicting", "ended already", "owned elsewhere",
        "started", "not started", "saved", "superseded by nobody yet", "superseded by an ending",
    }  # fmt: skip
