"""Windows of the calendar, and the budgets that a call counts in."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.core.budgets import WINDOWS, Allowance, Budgets, Window, begins, kind_of, turns

instants = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(instants, st.sampled_from(WINDOWS))
def test_every_instant_lies_in_one_window_and_windows_follow_one_another(at: datetime, window: Window) -> None:
    begin = begins(window, at)
    turn = turns(window, begin)
    assert begin <= at < turn
    assert begins(window, begin) == begin
    assert begins(window, turn) == turn


@pytest.mark.parametrize(
    ("window", "begin", "turn"),
    [
        ("hour", datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("day", datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("month", datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_last_hour_of_a_year(window: Window, begin: datetime, turn: datetime) -> None:
    at = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert (begins(window, at), turns(window, begin)) == (begin, turn)


def test_a_call_counts_in_the_budgets_that_there_are_in_one_order() -> None:
    one, two, three = Decimal(1), Decimal(2), Decimal(3)
    budgets = Budgets(window="day", total=three, each_user=one, tiers={"premium": two})
    assert budgets.allowances(user="u", tier="premium") == (
        Allowance("tier/premium", two),
        Allowance("total", three),
        Allowance("user/u", one),
    )
    assert budgets.allowances(user="u", tier="standard") == (Allowance("total", three), Allowance("user/u", one))
    assert Budgets(window="day").allowances(user="u", tier="premium") == ()
    assert [kind_of(scope) for scope in ("tier/premium", "total", "user/a/b")] == ["tier", "total", "user"]
