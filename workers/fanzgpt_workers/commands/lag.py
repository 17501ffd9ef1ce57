"""`fanzgpt lag`: how far each consumer group is behind."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.output import Format, FormatOption, Json, say, show_json, table

if TYPE_CHECKING:
    from fanzgpt_workers.lag.reading import LagReader
    from fanzgpt_workers.lag.standing import Batched, LagReport, Thresholds
    from fanzgpt_workers.lag.watching import Judged
    from fanzgpt_workers.settings import Settings

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_HEADINGS: Final = ("GROUP", "TOPIC", "PARTITION", "BEHIND", "OLDEST", "GAP", "IN FLIGHT", "SINCE", "MEMBERS", "STATUS")
_RIGHT: Final = ("PARTITION", "BEHIND", "OLDEST", "GAP", "IN FLIGHT", "SINCE", "MEMBERS")
_HALF_PRICE: Final = ("HALF-PRICE LANE", "PLACE", "REQUESTS", "OLDEST", "FIRST DEADLINE")
_WAITING: Final = ("WAITING FOR", "REQUESTS", "WHICH IS")
_CAUSES: Final[Mapping[str, str]] = {
    "lane": "an earlier request of the same conversation, or of the same key",
    "user": "room among its user's requests under way",
    "process": "room in its worker",
    "provider-limit": "what its provider allows in a minute, or at once",
    "breaker": "its provider, which is down or wants to be left alone",
    "same-question": "the answer to another request that asks the same",
}
_WORST: Final = ("OK", "WARN", "STALLED", "STOPPED")
_CLEAR: Final = "\x1b[2J\x1b[H"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How the report is to be shown."""

    groups: Sequence[str]
    each_partition: bool
    output: Format


@app.command()
def lag(
    context: typer.Context,
    *,
    group: Annotated[list[str] | None, typer.Option(help="Only this group; may be repeated, and be any group.")] = None,
    partitions: Annotated[bool, typer.Option("--partitions", help="A line per partition, not per topic.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
    late: Annotated[float, typer.Option(min=0, help="Age in seconds from which a record is late (WARN).")] = 60.0,
    still: Annotated[
        float, typer.Option(min=0, help="Age in seconds from which a record that nothing moves is STALLED.")
    ] = 120.0,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 unless every status is OK.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Say how far each consumer group is behind: records, and the age of the oldest record it has not done.

    The age is read from that record itself, so it is exact also for a group without members. GAP counts requests done
    above the committed offset, IN FLIGHT those that are not; SINCE is the age of the oldest of these.

    OK: nothing is late. WARN: late, but moving. STALLED: the oldest record is late and nothing moves. STOPPED: there
    is work and no member to do it. A second look follows after the interval where only that can tell STALLED.

    Two more tables follow where there is something to tell: what requests inside the generation workers wait for, as
    far as these share a Redis, and those that wait for a batch at half the price, which are done for Kafka.
    """
    from fanzgpt_workers.lag import standing  # noqa: PLC0415  # not for `--help`

    view = View(groups=group or (), each_partition=partitions, output=output)
    settings = Invocation.of(context).settings("kafka")
    thresholds = standing.Thresholds(late=late, still=still)
    if watch:
        asyncio.run(_watch(settings, view, thresholds, interval))
        return
    judged = asyncio.run(_look(settings, view, thresholds, interval))
    if check and any(one.status != "OK" for one in judged):
        raise typer.Exit(1)


async def _look(settings: "Settings", view: View, thresholds: "Thresholds", interval: float) -> "Sequence[Judged]":
    from fanzgpt_workers.lag.watching import LagHistory  # noqa: PLC0415  # not for `--help`

    history = LagHistory(thresholds)
    async with _reader(settings) as reader:
        report = await reader.read(view.groups)
        judged = history.add(report)
        if any(one.standing.owner and (one.standing.seconds or 0) >= thresholds.still for one in judged):
            await asyncio.sleep(interval)
            report = await reader.read(view.groups)
            judged = history.add(report)
    shown = _selected(judged, view)
    _show(report, shown, view)
    return shown


async def _watch(settings: "Settings", view: View, thresholds: "Thresholds", interval: float) -> None:
    from fanzgpt_workers.lag.watching import LagHistory  # noqa: PLC0415  # not for `--help`

    history = LagHistory(thresholds)
    async with _reader(settings) as reader:
        while True:
            report = await reader.read(view.groups)
            judged = _selected(history.add(report), view)
            if view.output is Format.TEXT and sys.stdout.isatty():
                sys.stdout.write(_CLEAR)
            _show(report, judged, view)
            sys.stdout.flush()
            await asyncio.sleep(interval)


@asynccontextmanager
async def _reader(settings: "Settings") -> "AsyncIterator[LagReader]":
    """A reader with the database's accounts, or without them and with a word about it."""
    from fanzgpt_schemas.topics import bundled_topics  # noqa: PLC0415  # not for `--help`
    from fanzgpt_workers.errors import FanzError  # noqa: PLC0415  # as above
    from fanzgpt_workers.lag.reading import SystemClock  # noqa: PLC0415  # as above
    from fanzgpt_workers.lag.watching import open_lag_reader  # noqa: PLC0415  # as above

    registry, clock = bundled_topics(), SystemClock()
    async with open_lag_reader(settings, registry, clock=clock) as reader:
        try:
            await reader.check_accounts()
        except FanzError as error:
            sys.stderr.write(f"fanzgpt: without the database's accounts: {error}\n")
        else:
            yield reader
            return
    async with open_lag_reader(settings, registry, clock=clock, with_accounts=False) as reader:
        yield reader


def _selected(judged: "Sequence[Judged]", view: View) -> "Sequence[Judged]":
    return [one for one in judged if not view.groups or one.standing.group in view.groups]


def _show(report: "LagReport", judged: "Sequence[Judged]", view: View) -> None:
    if view.output is Format.JSON:
        partitions = [_document(one, report) for one in judged]
        batched = [_document_of_batched(each) for each in report.batched]
        waiting_for = None if report.waiting_for is None else dict(report.waiting_for)
        show_json(
            {
                "at": report.at.isoformat(),
                "partitions": partitions,
                "waitingFor": waiting_for,
                "halfPrice": batched,
            }
        )
        return
    rows = [_row([one], report) for one in judged] if view.each_partition else _by_topic(judged, report)
    headings = [heading for heading in _HEADINGS if view.each_partition or heading != "PARTITION"]
    kept = [index for index, heading in enumerate(_HEADINGS) if heading in headings]
    for line in table(headings, ([row[index] for index in kept] for row in rows), right=_RIGHT):
        say(line)
    if report.waiting_for:
        say("")
        waiting = ((cause, str(number), _CAUSES.get(cause, "")) for cause, number in report.waiting_for.items())
        for line in table(_WAITING, waiting, right=_WAITING[1:2]):
            say(line)
    if report.batched:
        say("")
        for line in table(_HALF_PRICE, map(_batched_row, report.batched), right=_HALF_PRICE[-3:]):
            say(line)


def _by_topic(judged: "Sequence[Judged]", report: "LagReport") -> list[tuple[str, ...]]:
    topics: dict[tuple[str, str], list[Judged]] = {}
    for one in judged:
        topics.setdefault((one.standing.group, one.standing.partition.topic), []).append(one)
    return [_row(of_topic, report) for of_topic in topics.values()]


def _row(judged: "Sequence[Judged]", report: "LagReport") -> tuple[str, ...]:
    first = judged[0].standing
    standings = [one.standing for one in judged]
    return (
        first.group,
        first.partition.topic,
        str(first.partition.number),
        str(sum(standing.records for standing in standings)),
        _age(max((standing.seconds for standing in standings if standing.seconds is not None), default=None)),
        _total(standing.commit_gap for standing in standings),
        _total(standing.in_flight for standing in standings),
        _age(
            max((s.oldest_in_flight_seconds for s in standings if s.oldest_in_flight_seconds is not None), default=None)
        ),
        str(report.members.get(first.group, 0)),
        max((one.status for one in judged), key=_WORST.index),
    )


def _document(judged: "Judged", report: "LagReport") -> Mapping[str, Json]:
    standing = judged.standing
    return {
        "group": standing.group,
        "topic": standing.partition.topic,
        "partition": standing.partition.number,
        "position": standing.position,
        "end": standing.end,
        "records": standing.records,
        "oldestSeconds": standing.seconds,
        "commitGap": standing.commit_gap,
        "inFlight": standing.in_flight,
        "oldestInFlightSeconds": standing.oldest_in_flight_seconds,
        "owner": standing.owner,
        "members": report.members.get(standing.group, 0),
        "status": judged.status,
    }


def _batched_row(batched: "Batched") -> tuple[str, ...]:
    deadline = batched.first_deadline
    return (
        f"{batched.provider}/{batched.model}",
        batched.place,
        str(batched.requests),
        _age(batched.oldest_seconds),
        "-" if deadline is None else f"{deadline:%Y-%m-%d %H:%M:%S} UTC",
    )


def _document_of_batched(batched: "Batched") -> Mapping[str, Json]:
    return {
        "provider": batched.provider,
        "model": batched.model,
        "place": batched.place,
        "requests": batched.requests,
        "oldestSeconds": batched.oldest_seconds,
        "firstDeadline": None if batched.first_deadline is None else batched.first_deadline.isoformat(),
    }


def _total(numbers: Iterable[int | None]) -> str:
    known = [number for number in numbers if number is not None]
    return str(sum(known)) if known else "-"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"
