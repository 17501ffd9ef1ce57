"""From a timeframe in words to the days it means, where that can be told.

Understood: `10 days`, `next 2 weeks`, `a month`, `this week`, `next month`, `tomorrow`, `2026-12`, `December 2026`,
`2026-W50`, one ISO date, and two ISO dates with anything between them. Everything else is left to the model.
"""

import re
from calendar import month_name, monthrange
from datetime import date, timedelta
from typing import Final

LONGEST_DAYS: Final = 366
MOST_DATES: Final = 31

_NUMBERS: Final = {
    word: number
    for number, words in enumerate(
        ("", "a an one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
    for word in words.split()
}
_MONTHS: Final = {name.lower(): number for number, name in enumerate(month_name) if name}
_DURATION: Final = re.compile(
    rf"(?:the |for )?(?:next |coming )?(\d{{1,4}}|{'|'.join(_NUMBERS)})[ -]?"
    r"(day|week|fortnight|month|quarter|year)s?"
)
_CALENDAR_UNIT: Final = re.compile(r"(?:the )?(this|next|coming) (week|month)")
_ISO_DATE: Final = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
_ISO_WEEK: Final = re.compile(r"(\d{4})-?w(\d{2})")
_MONTH: Final = re.compile(rf"(?P<year>\d{{4}})-(?P<number>\d{{2}})|(?P<name>{'|'.join(_MONTHS)}),? ?(?P<of>\d{{4}})")
_DAYS_OF: Final = {"day": 1, "week": 7, "fortnight": 14}
_MONTHS_OF: Final = {"month": 1, "quarter": 3, "year": 12}


def dates_of(timeframe: str, *, today: date) -> tuple[date, ...]:
    """The dates to plan for, ascending; none when the words do not tell.

    A timeframe that has begun is planned from today on. Of more than 31 days, 31 are taken at even distances; a
    timeframe of more than 366 days is not understood.
    """
    try:
        first, last = _span(" ".join(timeframe.lower().split()), today)
    except (ValueError, OverflowError):
        return ()
    if first < today <= last:
        first = today
    days = (last - first).days + 1
    if not 0 < days <= LONGEST_DAYS:
        return ()
    wanted = min(days, MOST_DATES)
    return tuple(first + timedelta(days=index * days // wanted) for index in range(wanted))


def _span(words: str, today: date) -> tuple[date, date]:
    """First and last day; raises ValueError for words that do not tell."""
    if match := _DURATION.fullmatch(words):
        return today, _after(today, int(_NUMBERS.get(match[1], 0) or match[1]), match[2]) - timedelta(days=1)
    if match := _CALENDAR_UNIT.fullmatch(words):
        return _unit(today, match[2], ahead=match[1] != "this")
    if match := _MONTH.fullmatch(words):
        return _month(int(match["year"] or match["of"]), int(match["number"] or _MONTHS[match["name"]]))
    if match := _ISO_WEEK.fullmatch(words):
        monday = date.fromisocalendar(int(match[1]), int(match[2]), 1)
        return monday, monday + timedelta(days=6)
    spoken = words.replace("today", today.isoformat()).replace("tomorrow", (today + timedelta(days=1)).isoformat())
    found = sorted(date.fromisoformat(text) for text in _ISO_DATE.findall(spoken))
    if len(found) not in {1, 2}:
        raise ValueError("the words do not tell")
    return found[0], found[-1]


def _after(start: date, number: int, unit: str) -> date:
    if unit in _DAYS_OF:
        return start + timedelta(days=number * _DAYS_OF[unit])
    months = start.month - 1 + number * _MONTHS_OF[unit]
    year, month = start.year + months // 12, months % 12 + 1
    return date(year, month, min(start.day, monthrange(year, month)[1]))


def _unit(today: date, unit: str, *, ahead: bool) -> tuple[date, date]:
    if unit == "week":
        monday = today + timedelta(days=7 * ahead - today.weekday())
        return monday, monday + timedelta(days=6)
    of_month = _after(today.replace(day=1), int(ahead), "month")
    return _month(of_month.year, of_month.month)


def _month(year: int, month: int) -> tuple[date, date]:
    first = date(year, month, 1)
    return first, first.replace(day=monthrange(year, month)[1])
