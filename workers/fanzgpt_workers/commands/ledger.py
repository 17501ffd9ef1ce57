"""`fanzgpt ledger`: requests, provider calls and what they cost."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.ledger_budgets import budgets
from fanzgpt_workers.commands.ledger_reprice import reprice
from fanzgpt_workers.commands.output import Format, FormatOption, say, show_json, table

if TYPE_CHECKING:
    from fanzgpt_workers.stores.ledger_reports import LedgerReports, RequestReport, Total, UnknownAttempt

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Requests, provider calls and what they cost, as the ledger has them.",
)
app.command()(budgets)
app.command()(reprice)


class Group(Enum):
    """What `sum` may group by."""

    ALL = "all"
    PROVIDER = "provider"
    MODEL = "model"
    TYPE = "type"
    USER = "user"
    CAUSE = "cause"
    OUTCOME = "outcome"
    DAY = "day"


@app.command()
def show(
    context: typer.Context,
    request_id: Annotated[str, typer.Argument(help="The id of the request.")],
    output: FormatOption = Format.TEXT,
) -> None:
    """Show what the ledger holds of a request: its claims, its calls, its ending. `fanzgpt trace` adds the topics."""
    found = asyncio.run(_show(context, request_id))
    from fanzgpt_workers.commands.trace import document, tell  # noqa: PLC0415  # not for `--help`
    from fanzgpt_workers.tracing.evidence import Evidence  # noqa: PLC0415  # as above
    from fanzgpt_workers.tracing.timeline import timeline  # noqa: PLC0415  # as above

    known = [Evidence(request_id=request_id, report=report) for report in found]
    if output is Format.JSON:
        show_json([document(one, timeline(one), ()) for one in known])
    for one in known if output is Format.TEXT else ():
        tell(one, timeline(one), ())
    if not known:
        sys.stderr.write(f"fanzgpt: the ledger does not know a request {request_id!r}\n")
        raise typer.Exit(1)


@app.command("sum")
def sum_(
    context: typer.Context,
    by: Annotated[Group, typer.Option(help="One line for each of these.")] = Group.ALL,
    since: Annotated[datetime | None, typer.Option(help="Calls started from this time on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Calls started before this time (UTC).")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Add up calls, tokens and money. A call without a known price counts as unpriced, never as free."""
    totals = asyncio.run(_totals(context, by, utc(since), utc(until)))
    if output is Format.JSON:
        show_json(
            [
                {
                    "group": total.group,
                    "requests": total.requests,
                    "attempts": total.attempts,
                    "answered": total.answered,
                    "unknown": total.unknown,
                    "underWay": total.under_way,
                    "inputTokens": total.input_tokens,
                    "outputTokens": total.output_tokens,
                    "costUsd": str(total.cost_usd),
                    "unpriced": total.unpriced,
                    "cached": total.cached,
                    "savedUsd": str(total.saved_usd),
                }
                for total in totals
            ]
        )
        return
    counts = ("REQUESTS", "CALLS", "ANSWERED", "UNKNOWN", "UNDER WAY", "TOKENS IN", "OUT")
    headings = ("", *counts, "USD", "UNPRICED", "CACHED", "SAVED USD")
    for line in table(headings, map(_row, totals), right=headings[1:]):
        say(line)


@app.command()
def unknown(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 100,
    output: FormatOption = Format.TEXT,
) -> None:
    """List calls that may be on the provider's bill without their answer here: hidden by a crash, or hanging."""
    found = asyncio.run(_unknown(context, limit))
    if output is Format.JSON:
        show_json(
            [
                {
                    "requestId": one.request_id,
                    "userId": one.user_id,
                    "state": one.state,
                    "provider": one.attempt.provider,
                    "model": one.attempt.model,
                    "startedAt": one.attempt.started_at.isoformat(),
                    "outcome": one.attempt.outcome,
                    "attemptId": str(one.attempt.attempt_id),
                }
                for one in found
            ]
        )
        return
    headings = ("STARTED (UTC)", "REQUEST", "USER", "STATE", "PROVIDER", "MODEL", "OUTCOME")
    rows = [
        (
            f"{one.attempt.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            one.request_id,
            one.user_id,
            one.state,
            one.attempt.provider,
            one.attempt.model,
            one.attempt.outcome or "under way",
        )
        for one in found
    ]
    for line in table(headings, rows) if rows else ("none: the outcome of every call is known",):
        say(line)


@app.command()
def prune(
    context: typer.Context,
    older_than_days: Annotated[float, typer.Option("--older-than-days", min=1, help="Age from which to forget.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this nothing is removed.")] = False,
) -> None:
    """Forget requests that ended and were published long ago, with their calls. Their history rows stay."""
    cutoff = datetime.now(UTC) - timedelta(days=older_than_days)
    if not yes:
        say(f"would forget requests that ended before {cutoff:%Y-%m-%d %H:%M} UTC; --yes does it")
        return
    say(f"{asyncio.run(_prune(context, cutoff))} requests forgotten")


@asynccontextmanager
async def _reports(context: typer.Context) -> "AsyncIterator[LedgerReports]":
    url = Invocation.of(context).settings("database").database.url.get_secret_value()
    from fanzgpt_workers.stores.database import open_database  # noqa: PLC0415  # not for `--help`
    from fanzgpt_workers.stores.ledger_reports import LedgerReports  # noqa: PLC0415  # as above

    async with await open_database(url, size=1, deadline=60.0, application="fanzgpt-ledger") as database:
        yield LedgerReports(database)


async def _show(context: typer.Context, request_id: str) -> "list[RequestReport]":
    async with _reports(context) as reports:
        return list(await reports.trace(request_id))


async def _totals(context: typer.Context, by: Group, since: datetime | None, until: datetime | None) -> "list[Total]":
    async with _reports(context) as reports:
        return list(await reports.totals(by.value, since=since, until=until))


async def _unknown(context: typer.Context, limit: int) -> "list[UnknownAttempt]":
    async with _reports(context) as reports:
        return list(await reports.unknown_attempts(limit=limit))


async def _prune(context: typer.Context, cutoff: datetime) -> int:
    async with _reports(context) as reports:
        return await reports.prune(older_than=cutoff)


def utc(at: datetime | None) -> datetime | None:
    """A time that was given on a command line: UTC unless it says otherwise."""
    return None if at is None else at.replace(tzinfo=at.tzinfo or UTC)


def _row(total: "Total") -> tuple[str, ...]:
    numbers = (total.requests, total.attempts, total.answered, total.unknown, total.under_way)
    tokens = (total.input_tokens, total.output_tokens)
    money = (_usd(total.cost_usd), str(total.unpriced), str(total.cached), _usd(total.saved_usd))
    return (total.group, *map(str, (*numbers, *tokens)), *money)


def _usd(amount: Decimal) -> str:
    return f"{amount:.6f}"
