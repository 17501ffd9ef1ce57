"""What every ledger does; the same suite runs on PostgreSQL and on its twin in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, Price, Usage
from fanzgpt_workers.core.claims import AlreadyEnded, Claim, Conflicting, Granted, OwnedElsewhere
from fanzgpt_workers.core.endings import Ending, Saved, Superseded
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.ports import Ledger
from fanzgpt_workers.stores.database import open_database
from fanzgpt_workers.stores.memory_ledger import MemoryLedger
from fanzgpt_workers.stores.migrate import migrate
from fanzgpt_workers.stores.postgres_ledger import PostgresLedger

TAKEOVER_AFTER = 600.0


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 5, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A ledger, a way to let time pass in it, and what it holds of an attempt or a request."""

    ledger: Ledger
    let_pass: Callable[[float], Awaitable[None]]
    outcome_of: Callable[[UUID], Awaitable[str | None]]
    is_published: Callable[[UUID], Awaitable[bool]]


@pytest.fixture(params=["postgres", "memory"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        yield in_memory()
        return
    url = request.getfixturevalue("database_url")
    migrate(url)
    async with await open_database(url) as database:

        async def let_pass(seconds: float) -> None:
            async with database.connection() as connection:
                await connection.execute(
                    "UPDATE ai_requests SET updated_at = updated_at - make_interval(secs => $1)", seconds
                )

        async def outcome_of(attempt_id: UUID) -> str | None:
            async with database.connection() as connection:
                return await connection.fetchval("SELECT outcome FROM ai_attempts WHERE attempt_id = $1", attempt_id)

        async def is_published(request_key: UUID) -> bool:
            async with database.connection() as connection:
                return await connection.fetchval(
                    "SELECT published_at IS NOT NULL FROM ai_requests WHERE request_key = $1", request_key
                )

        yield Subject(
            ledger=PostgresLedger(database, takeover_after=TAKEOVER_AFTER),
            let_pass=let_pass,
            outcome_of=outcome_of,
            is_published=is_published,
        )


def in_memory() -> Subject:
    clock = HandClock()
    ledger = MemoryLedger(clock=clock, takeover_after=TAKEOVER_AFTER)

    async def let_pass(seconds: float) -> None:
        clock.time += timedelta(seconds=seconds)

    async def outcome_of(attempt_id: UUID) -> str | None:
        ended = ledger.attempts[attempt_id].ended
        return None if ended is None else ended.outcome

    async def is_published(request_key: UUID) -> bool:
        return ledger.requests[request_key].published

    return Subject(ledger=ledger, let_pass=let_pass, outcome_of=outcome_of, is_published=is_published)


def a_claim(**changes: object) -> Claim:
    claim = Claim(
        request_key=uuid4(),
        request_id="1712-abc",
        user_id="test-user-1",
        user_key=uuid4(),
        generation_type="social-post",
        fingerprint=b"\x01" * 32,
        origin=Origin("ai.generation.requested", 0, 7),
        owner=uuid4(),
        term=1,
        deadline=datetime(2026, 5, 1, 12, tzinfo=UTC),
        conversation_id="c-1",
    )
    return replace(claim, **changes)


def an_attempt(claim: Claim, *, epoch: int = 1, ordinal: int = 1) -> AttemptStarted:
    return AttemptStarted(
        attempt_id=uuid4(),
        request_key=claim.request_key,
        epoch=epoch,
        ordinal=ordinal,
        provider="openai",
        model="gpt-5-mini",
        cause="first",
    )


def answered(attempt: AttemptStarted) -> AttemptEnded:
    return AttemptEnded(
        attempt_id=attempt.attempt_id,
        outcome="ok",
        response_id="resp_1",
        usage=Usage(input=12, output=34, cache_read=5),
        price=Price(usd=Decimal("0.000123"), version="2026-05"),
        finish_reason="stop",
        latency_ms=812,
    )


def an_ending(claim: Claim, *, epoch: int = 1, outbox: str = '[{"type":"completed"}]', **changes: object) -> Ending:
    ending = Ending(request_key=claim.request_key, epoch=epoch, state="completed", outbox=outbox)
    return replace(ending, **changes)


async def test_a_new_request_is_granted_with_epoch_one(subject: Subject) -> None:
    assert await subject.ledger.claim([a_claim(), a_claim()]) == [Granted(1), Granted(1)]


async def test_no_claims_have_no_verdicts(subject: Subject) -> None:
    assert await subject.ledger.claim([]) == []
    assert await subject.ledger.start_attempts([]) == []
    assert await subject.ledger.finish([]) == []
    await subject.ledger.settle([])
    await subject.ledger.mark_published([])


async def test_the_same_origin_again_takes_over_one_epoch_up(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    assert await subject.ledger.claim([replace(claim, owner=uuid4())]) == [Granted(2)]
    assert await subject.ledger.claim([claim]) == [Granted(3)]


async def test_a_claim_of_a_lower_term_is_of_a_worker_that_has_lost_the_partition(subject: Subject) -> None:
    claim = a_claim(term=7)
    await subject.ledger.claim([claim])
    successor = replace(claim, owner=uuid4(), term=8)
    assert await subject.ledger.claim([successor]) == [Granted(2)]

    [verdict] = await subject.ledger.claim([claim])

    assert isinstance(verdict, OwnedElsewhere)
    attempt = an_attempt(claim, epoch=2)
    assert await subject.ledger.start_attempts([attempt]) == [True], "the successor's calls are its own"


async def test_a_claim_of_the_same_term_is_a_restart_of_the_same_member(subject: Subject) -> None:
    claim = a_claim(term=7)
    await subject.ledger.claim([claim])
    assert await subject.ledger.claim([replace(claim, owner=uuid4())]) == [Granted(2)]


async def test_terms_that_began_anew_are_waited_for_no_longer_than_a_silent_owner(subject: Subject) -> None:
    claim = a_claim(term=7)
    await subject.ledger.claim([claim])
    of_a_new_group = replace(claim, owner=uuid4(), term=1)
    [verdict] = await subject.ledger.claim([of_a_new_group])
    assert isinstance(verdict, OwnedElsewhere)
    await subject.let_pass(TAKEOVER_AFTER + 60)
    assert await subject.ledger.claim([of_a_new_group]) == [Granted(2)]
    assert await subject.ledger.claim([replace(of_a_new_group, owner=uuid4())]) == [Granted(3)], "and is what counts"


async def test_a_takeover_finds_the_earlier_attempts_and_marks_the_open_ones_unknown(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    first, second = an_attempt(claim), an_attempt(claim, ordinal=2)
    await subject.ledger.start_attempts([first])
    await subject.ledger.settle([AttemptEnded(attempt_id=first.attempt_id, outcome="throttled")])
    await subject.ledger.start_attempts([second])

    [verdict] = await subject.ledger.claim([claim])

    assert isinstance(verdict, Granted)
    assert verdict.epoch == 2
    assert [(past.attempt_id, past.outcome) for past in verdict.past] == [
        (first.attempt_id, "throttled"),
        (second.attempt_id, "unknown"),
    ]
    assert await subject.outcome_of(second.attempt_id) == "unknown"


async def test_every_later_takeover_finds_all_earlier_attempts(subject: Subject) -> None:
    claim = a_claim()
    attempts = []
    for epoch in (1, 2, 3):
        await subject.ledger.claim([claim])
        attempts.append(an_attempt(claim, epoch=epoch, ordinal=epoch))
        assert await subject.ledger.start_attempts(attempts[-1:]) == [True]
    [verdict] = await subject.ledger.claim([claim])
    assert isinstance(verdict, Granted)
    assert [past.attempt_id for past in verdict.past] == [attempt.attempt_id for attempt in attempts]
    assert {past.outcome for past in verdict.past} == {"unknown"}


async def test_another_origin_is_told_how_long_the_owner_has_been_silent(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    await subject.let_pass(100)
    [verdict] = await subject.ledger.claim([replace(claim, origin=Origin("ai.generation.requested", 0, 8))])
    assert isinstance(verdict, OwnedElsewhere)
    assert verdict.idle_seconds == pytest.approx(100, abs=30)


async def test_another_origin_takes_over_from_an_owner_that_was_silent_for_too_long(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    await subject.let_pass(TAKEOVER_AFTER + 60)
    elsewhere = replace(claim, origin=Origin("ai.generation.requested.priority", 3, 1), owner=uuid4())
    assert await subject.ledger.claim([elsewhere]) == [Granted(2)]
    [verdict] = await subject.ledger.claim([claim])
    assert isinstance(verdict, OwnedElsewhere), "the other origin is now the request's place"


async def test_starting_an_attempt_is_a_word_from_the_owner(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    await subject.let_pass(TAKEOVER_AFTER - 60)
    await subject.ledger.start_attempts([an_attempt(claim)])
    await subject.let_pass(120)
    [verdict] = await subject.ledger.claim([replace(claim, origin=Origin("ai.generation.requested", 0, 8))])
    assert isinstance(verdict, OwnedElsewhere)


async def test_an_ended_request_answers_with_its_outbox_to_the_byte(subject: Subject) -> None:
    claim = a_claim()
    outbox = '[ {"b":1.0, "a":"\\u0000 é 😀"} ]'
    await subject.ledger.claim([claim])
    await subject.ledger.finish([an_ending(claim, outbox=outbox)])
    elsewhere = replace(claim, origin=Origin("ai.generation.requested", 5, 5), owner=uuid4())
    assert await subject.ledger.claim([claim, elsewhere]) == [AlreadyEnded(outbox)] * 2


async def test_the_same_id_with_other_content_conflicts_before_and_after_the_ending(subject: Subject) -> None:
    claim = a_claim()
    other = replace(claim, fingerprint=b"\x02" * 32)
    await subject.ledger.claim([claim])
    assert await subject.ledger.claim([other]) == [Conflicting()]
    await subject.ledger.finish([an_ending(claim)])
    assert await subject.ledger.claim([other]) == [Conflicting()]
    assert await subject.ledger.finish([an_ending(claim)]) == [Saved()], "a conflicting claim changes nothing"


async def test_one_batch_may_hold_the_same_request_several_times(subject: Subject) -> None:
    claim, neighbour = a_claim(), a_claim()
    batch = [
        claim,
        replace(claim, origin=Origin("ai.generation.requested", 0, 8)),
        neighbour,
        replace(claim, fingerprint=b"\x02" * 32),
        claim,
    ]
    verdicts = await subject.ledger.claim(batch)
    assert verdicts[0] == Granted(1)
    assert isinstance(verdicts[1], OwnedElsewhere)
    assert verdicts[1].idle_seconds == pytest.approx(0, abs=5)
    assert verdicts[2:] == [Granted(1), Conflicting(), Granted(2)]


async def test_an_attempt_starts_only_under_the_present_epoch(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    await subject.ledger.claim([claim])
    answers = await subject.ledger.start_attempts(
        [an_attempt(claim, epoch=1), an_attempt(claim, epoch=2), an_attempt(a_claim())]
    )
    assert answers == [False, True, False]


async def test_an_attempt_started_twice_is_one_attempt(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    attempt = an_attempt(claim)
    assert await subject.ledger.start_attempts([attempt]) == [True]
    assert await subject.ledger.start_attempts([attempt, attempt]) == [True, True]
    [verdict] = await subject.ledger.claim([claim])
    assert isinstance(verdict, Granted)
    assert len(verdict.past) == 1


async def test_no_attempt_starts_after_the_ending(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    await subject.ledger.finish([an_ending(claim, state="expired")])
    assert await subject.ledger.start_attempts([an_attempt(claim)]) == [False]


async def test_money_is_recorded_under_any_epoch_and_replaces_unknown(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    attempt = an_attempt(claim)
    await subject.ledger.start_attempts([attempt])
    await subject.ledger.claim([claim])
    assert await subject.outcome_of(attempt.attempt_id) == "unknown"
    await subject.ledger.settle([answered(attempt)])
    assert await subject.outcome_of(attempt.attempt_id) == "ok"


async def test_a_known_outcome_is_never_replaced(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    attempt = an_attempt(claim)
    await subject.ledger.start_attempts([attempt])
    await subject.ledger.settle([answered(attempt), AttemptEnded(attempt_id=attempt.attempt_id, outcome="timeout")])
    await subject.ledger.settle([AttemptEnded(attempt_id=attempt.attempt_id, outcome="unknown")])
    assert await subject.outcome_of(attempt.attempt_id) == "ok"


async def test_within_one_batch_the_first_known_outcome_stands(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    attempt = an_attempt(claim)
    await subject.ledger.start_attempts([attempt])
    unknown = AttemptEnded(attempt_id=attempt.attempt_id, outcome="unknown")
    await subject.ledger.settle([unknown, answered(attempt), replace(unknown, outcome="cut"), unknown])
    assert await subject.outcome_of(attempt.attempt_id) == "ok"


async def test_settling_an_attempt_nobody_started_is_nothing(subject: Subject) -> None:
    await subject.ledger.settle([AttemptEnded(attempt_id=uuid4(), outcome="ok")])


async def test_a_finish_saves_the_ending_and_settles_its_attempt(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    attempt = an_attempt(claim)
    await subject.ledger.start_attempts([attempt])
    assert await subject.ledger.finish([an_ending(claim, settles=answered(attempt))]) == [Saved()]
    assert await subject.outcome_of(attempt.attempt_id) == "ok"


async def test_the_same_finish_again_is_saved(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    ending = an_ending(claim)
    assert await subject.ledger.finish([ending]) == [Saved()]
    assert await subject.ledger.finish([ending, ending]) == [Saved(), Saved()]


async def test_another_ending_under_the_same_epoch_meets_the_one_that_stands(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    await subject.ledger.finish([an_ending(claim, outbox="[1]")])
    assert await subject.ledger.finish([an_ending(claim, outbox="[2]")]) == [Superseded("[1]")]
    assert await subject.ledger.finish([an_ending(claim, outbox="[1]", state="failed")]) == [Superseded("[1]")]


async def test_an_overtaken_owner_cannot_end_the_request_but_its_money_is_recorded(subject: Subject) -> None:
    claim = a_claim()
    await subject.ledger.claim([claim])
    attempt = an_attempt(claim)
    await subject.ledger.start_attempts([attempt])
    await subject.ledger.claim([claim])

    late = an_ending(claim, epoch=1, outbox="[1]", settles=answered(attempt))
    assert await subject.ledger.finish([late]) == [Superseded(None)]
    assert await subject.outcome_of(attempt.attempt_id) == "ok"

    assert await subject.ledger.finish([an_ending(claim, epoch=2, outbox="[2]")]) == [Saved()]
    assert await subject.ledger.finish([late]) == [Superseded("[2]")]
    assert await subject.ledger.claim([claim]) == [AlreadyEnded("[2]")]


async def test_one_batch_may_end_the_same_request_several_times(subject: Subject) -> None:
    claim, neighbour = a_claim(), a_claim()
    await subject.ledger.claim([claim, neighbour])
    endings = [an_ending(claim, outbox="[1]"), an_ending(neighbour), an_ending(claim, outbox="[2]")]
    assert await subject.ledger.finish(endings) == [Saved(), Saved(), Superseded("[1]")]


async def test_an_ending_of_a_request_nobody_claimed_is_superseded(subject: Subject) -> None:
    assert await subject.ledger.finish([an_ending(a_claim())]) == [Superseded(None)]


async def test_only_an_ended_request_is_marked_published(subject: Subject) -> None:
    ended, running = a_claim(), a_claim()
    await subject.ledger.claim([ended, running])
    await subject.ledger.finish([an_ending(ended)])
    await subject.ledger.mark_published([ended.request_key, running.request_key, ended.request_key, uuid4()])
    assert await subject.is_published(ended.request_key)
    assert not await subject.is_published(running.request_key)


@pytest.mark.parametrize("text", ["nul \x00 inside", "lone \ud800 surrogate", "é😀"])
async def test_words_that_postgresql_cannot_hold_do_not_stop_a_batch(subject: Subject, text: str) -> None:
    claim = a_claim(request_id=text, user_id=text, conversation_id=text)
    assert await subject.ledger.claim([claim, a_claim()]) == [Granted(1), Granted(1)]
    attempt = an_attempt(claim)
    await subject.ledger.start_attempts([attempt])
    await subject.ledger.settle([AttemptEnded(attempt_id=attempt.attempt_id, outcome="refused", detail=text)])
    assert await subject.outcome_of(attempt.attempt_id) == "refused"


async def test_verdicts_keep_the_order_of_a_large_batch(subject: Subject) -> None:
    claims = [a_claim() for _ in range(300)]
    await subject.ledger.claim(claims[::2])
    await subject.ledger.finish([an_ending(claim, outbox=f"[{place}]") for place, claim in enumerate(claims[::2])])
    verdicts = await subject.ledger.claim(claims)
    assert verdicts[::2] == [AlreadyEnded(f"[{place}]") for place in range(150)]
    assert verdicts[1::2] == [Granted(1)] * 150
