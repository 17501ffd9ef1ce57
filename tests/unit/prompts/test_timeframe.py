"""Which days the words of a timeframe mean."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.prompts.timeframe import MOST_DATES, dates_of

TODAY = date(2026, 11, 23)  # a Monday


@pytest.mark.parametrize(
    ("words", "first", "last", "count"),
    [
        ("1 week", "2026-11-23", "2026-11-29", 7),
        ("2 weeks", "2026-11-23", "2026-12-06", 14),
        ("Next  two WEEKS", "2026-11-23", "2026-12-06", 14),
        ("a fortnight", "2026-11-23", "2026-12-06", 14),
        ("the next 10 days", "2026-11-23", "2026-12-02", 10),
        ("7-day", "2026-11-23", "2026-11-29", 7),
        ("a month", "2026-11-23", "2026-12-22", 30),
        ("this week", "2026-11-23", "2026-11-29", 7),
        ("next week", "2026-11-30", "2026-12-06", 7),
        ("this month", "2026-11-23", "2026-11-30", 8),
        ("next month", "2026-12-01", "2026-12-31", 31),
        ("2026-12", "2026-12-01", "2026-12-31", 31),
        ("February 2027", "2027-02-01", "2027-02-28", 28),
        ("2026-W50", "2026-12-07", "2026-12-13", 7),
        ("today", "2026-11-23", "2026-11-23", 1),
        ("tomorrow", "2026-11-24", "2026-11-24", 1),
        ("2026-12-24", "2026-12-24", "2026-12-24", 1),
        ("from 2026-12-01 to 2026-12-03", "2026-12-01", "2026-12-03", 3),
        ("2026-12-03..2026-12-01", "2026-12-01", "2026-12-03", 3),
        ("2026-01", "2026-01-01", "2026-01-31", 31),
        ("a quarter", "2026-11-23", "2027-02-20", 31),
    ],
)
def test_words_that_tell(words: str, first: str, last: str, count: int) -> None:
    dates = dates_of(words, today=TODAY)
    assert (dates[0].isoformat(), dates[-1].isoformat(), len(dates)) == (first, last, count)


@pytest.mark.parametrize(
    "words",
    [
        "the festive season",
        "0 days",
        "9999 years",
        "2026-13",
        "2026-02-30",
        "2026-W99",
        "2 fast 2 furious",
        "Q3",
    ],
)
def test_words_that_do_not_tell(words: str) -> None:
    assert dates_of(words, today=TODAY) == ()


def test_the_end_of_a_long_month_has_its_day_in_a_short_one() -> None:
    assert dates_of("1 month", today=date(2027, 1, 31))[-1] == date(2027, 2, 27)


TODAYS = st.dates(date(1970, 1, 1), date(9999, 12, 31))
WORDS = st.from_regex(r"(next |this |the )?(\d{1,4}|a|two) ?(day|week|month|year|quarter)s?", fullmatch=True)


@given(WORDS | st.text(max_size=30) | st.dates().map(str) | st.dates().map(lambda day: str(day)[:7]), TODAYS)
def test_dates_are_few_ascending_and_different(words: str, today: date) -> None:
    dates = dates_of(words, today=today)
    assert len(dates) <= MOST_DATES
    assert list(dates) == sorted(set(dates))
    assert not dates or dates[-1] - dates[0] <= timedelta(days=366)
