"""Budgets are never jumped and follow from the attempts: the same suite on PostgreSQL and on its twin in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from uuid import uuid4

import pytest
from tests.contract.test_ledger import HandClock, a_claim, an_attempt, an_ending

from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, Outcome, Price
from fanzgpt_workers.core.budgets import Allowance, OverBudget, Reservation
from fanzgpt_workers.core.claims import Granted
from fanzgpt_workers.core.endings import Saved
from fanzgpt_workers.ports import Ledger
from fanzgpt_workers.stores.budget_reports import BudgetReports
from fanzgpt_workers.stores.database import open_database
from fanzgpt_workers.stores.memory_ledger import MemoryLedger
from fanzgpt_workers.stores.postgres_budgets import PostgresBudgetedLedger

TODAY = datetime(2026, 5, 1, tzinfo=UTC)
CENT = Decimal("0.01")
TOTAL = Allowance("total", Decimal("0.50"))
USER = Allowance("user/u-1", Decimal("0.05"))
Number = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A ledger, a second one on the same tables, what a budget has spent and holds, and what was told."""

    ledger: Ledger
    other: Ledger
    of: Callable[[str, datetime], Awaitable[Number]]
    told: list[str] = field(default_factory=list)
    warns: list[str] = field(default_factory=list)


@pytest.fixture(params=["postgres", "memory"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        memory = MemoryLedger(clock=HandClock(), takeover_after=600)

        async def held(scope: str, begins_at: datetime) -> Number:
            budget = memory.budgets.held[scope, begins_at]
            return budget.spent, budget.held

        yield Subject(ledger=memory, other=memory, of=held)
        return
    async with await open_database(request.getfixturevalue("migrated_database_url")) as database:
        told: list[str] = []
        one, other = (
            PostgresBudgetedLedger(
                database, takeover_after=600, warn_from=Decimal("0.8"), nearly_spent=told.append, order=count().__next__
            )
            for _ in range(2)
        )

        async def stands(scope: str, begins_at: datetime) -> Number:
            query = "SELECT spent_usd, held_usd FROM ai_budgets WHERE scope = $1 AND begins_at = $2"
            async with database.connection() as connection:
                row = await connection.fetchrow(query, scope, begins_at)
            assert row is not None
            return row["spent_usd"], row["held_usd"]

        yield Subject(ledger=one, other=other, of=stands, told=told, warns=["total"])


async def granted(ledger: Ledger, *allowances: Allowance, usd: Decimal = CENT, at: datetime = TODAY) -> AttemptStarted:
    """An attempt of a request that was claimed."""
    claim = a_claim(owner=uuid4(), request_id=uuid4().hex)
    assert await ledger.claim([claim]) == [Granted(1)]
    reservation = Reservation(usd=usd, begins_at=at, allowances=allowances)
    return replace(an_attempt(claim), reservation=reservation)


def ended(attempt: AttemptStarted, outcome: Outcome, usd: str | None = None) -> AttemptEnded:
    price = None if usd is None else Price(usd=Decimal(usd), version="test")
    return AttemptEnded(attempt_id=attempt.attempt_id, outcome=outcome, price=price)


async def test_what_is_held_is_given_back_and_what_it_came_to_is_spent(subject: Subject) -> None:
    attempt = await granted(subject.ledger, TOTAL, USER)
    assert await subject.ledger.start_attempts([attempt]) == [True]
    assert [await subject.of(scope, TODAY) for scope in ("total", "user/u-1")] == [(0, CENT)] * 2
    claim = a_claim(request_key=attempt.request_key)
    ending = an_ending(claim, settles=ended(attempt, "ok", "0.004"))
    assert await subject.ledger.finish([ending]) == [Saved()]
    assert await subject.of("total", TODAY) == (Decimal("0.004"), 0)
    await subject.ledger.settle([ended(attempt, "ok", "0.004")])  # a repetition whose answer was lost
    await subject.ledger.finish([ending])
    assert await subject.of("total", TODAY) == (Decimal("0.004"), 0)


async def test_a_failure_that_is_never_billed_costs_nothing_and_any_other_all_that_was_held(subject: Subject) -> None:
    expected = {
        "throttled": 0,
        "overloaded": 0,
        "unreachable": 0,
        "refused": 0,
        "out-of-credit": 0,
        "timeout": CENT,
        "cut": CENT,
        "server-error": CENT,
        "malformed": CENT,
        "cancelled": CENT,
        "ok": CENT,  # an answer that did not say what it took
    }
    for outcome, usd in expected.items():
        mine = Allowance(f"user/{outcome}", Decimal(1))
        attempt = await granted(subject.ledger, mine)
        await subject.ledger.start_attempts([attempt])
        await subject.ledger.settle([ended(attempt, outcome)])  # type: ignore[arg-type]  # the outcomes' names
        assert await subject.of(mine.scope, TODAY) == (usd, 0), outcome
    attempt = await granted(subject.ledger, Allowance("user/closed", Decimal(1)))
    await subject.ledger.start_attempts([attempt])
    await subject.ledger.settle([ended(attempt, "cancelled", "0.003")])  # what had arrived of it
    assert await subject.of("user/closed", TODAY) == (Decimal("0.003"), 0)


async def test_of_a_hundred_at_once_on_two_connections_the_fifty_that_fit_are_let_through(subject: Subject) -> None:
    attempts = [await granted(subject.ledger, TOTAL) for _ in range(100)]
    ledgers = (subject.ledger, subject.other)
    answers = await asyncio.gather(*(ledgers[n // 5 % 2].start_attempts(attempts[n : n + 5]) for n in range(0, 100, 5)))
    flat = [answer for batch in answers for answer in batch]
    assert flat.count(True) == 50
    assert [answer for answer in flat if answer is not True] == [OverBudget(allowance=TOTAL, is_spent=False)] * 50
    assert await subject.of("total", TODAY) == (0, Decimal("0.50"))
    through = [attempt for attempt, answer in zip(attempts, flat, strict=True) if answer is True]
    await subject.ledger.settle([ended(attempt, "ok", "0.01") for attempt in through])
    [late] = [await granted(subject.ledger, TOTAL)]
    assert await subject.ledger.start_attempts([late]) == [OverBudget(allowance=TOTAL, is_spent=True)]
    assert subject.told == subject.warns, "once in a window, however often it passes the mark"


async def test_the_fullest_of_several_budgets_decides_and_nothing_is_held_in_the_others(subject: Subject) -> None:
    attempts = [await granted(subject.ledger, TOTAL, USER) for _ in range(6)]
    answers = await subject.ledger.start_attempts(attempts)
    assert answers.count(True) == 5
    assert [answer for answer in answers if answer is not True] == [OverBudget(allowance=USER, is_spent=False)]
    assert await subject.of("total", TODAY) == (0, Decimal("0.05"))


async def test_a_window_has_money_of_its_own(subject: Subject) -> None:
    tomorrow = TODAY + timedelta(days=1)
    first = await granted(subject.ledger, USER, usd=USER.usd)
    assert await subject.ledger.start_attempts([first]) == [True]
    assert await subject.ledger.start_attempts([await granted(subject.ledger, USER)]) != [True]
    assert await subject.ledger.start_attempts([await granted(subject.ledger, USER, at=tomorrow)]) == [True]
    await subject.ledger.settle([ended(first, "ok", "0.02")])
    assert await subject.of("user/u-1", TODAY) == (Decimal("0.02"), 0)
    assert await subject.of("user/u-1", tomorrow) == (0, CENT)


async def test_an_attempt_whose_answer_was_lost_is_started_again_at_no_further_cost(subject: Subject) -> None:
    attempt = await granted(subject.ledger, Allowance("total", CENT))
    for _ in range(3):
        assert await subject.ledger.start_attempts([attempt]) == [True]
    assert await subject.of("total", TODAY) == (0, CENT)


async def test_what_a_crash_hid_stays_held_until_its_outcome_is_known(subject: Subject) -> None:
    claim = a_claim(owner=uuid4())
    await subject.ledger.claim([claim])
    reservation = Reservation(usd=CENT, begins_at=TODAY, allowances=(USER,))
    attempt = replace(an_attempt(claim), reservation=reservation)
    await subject.ledger.start_attempts([attempt])
    [taken] = await subject.other.claim([replace(claim, owner=uuid4(), term=2)])
    assert isinstance(taken, Granted)
    assert [past.outcome for past in taken.past] == ["unknown"]
    assert await subject.of("user/u-1", TODAY) == (0, CENT)
    await subject.other.settle([ended(attempt, "ok", "0.006")])
    assert await subject.of("user/u-1", TODAY) == (Decimal("0.006"), 0)


async def test_an_attempt_without_a_budget_is_as_ever(subject: Subject) -> None:
    claim = a_claim(owner=uuid4())
    await subject.ledger.claim([claim])
    attempt, old = an_attempt(claim), an_attempt(claim, epoch=0)
    assert await subject.ledger.start_attempts([attempt, old]) == [True, False]
    await subject.ledger.settle([ended(attempt, "ok", "0.006")])


async def test_both_numbers_follow_from_the_attempts(migrated_database_url: str) -> None:
    async with await open_database(migrated_database_url) as database:
        ledger = PostgresBudgetedLedger(
            database, takeover_after=600, warn_from=Decimal(1), nearly_spent=lambda _: None, order=count().__next__
        )
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        attempts = [await granted(ledger, TOTAL, USER, at=now) for _ in range(5)]
        await ledger.start_attempts(attempts)
        await ledger.settle([ended(attempts[0], "ok", "0.004"), ended(attempts[1], "timeout")])
        reports = BudgetReports(database)
        right = await reports.budgets()
        assert [(each.spent_usd, each.held_usd) for each in right] == [(Decimal("0.014"), Decimal("0.03"))] * 2
        assert await reports.recount() == 0
        async with database.connection() as connection:
            await connection.execute("UPDATE ai_budgets SET spent_usd = 7, held_usd = 0 WHERE scope = 'total'")
        assert await reports.recount() == 1
        assert await reports.budgets() == right
