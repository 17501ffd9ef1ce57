"""`fanzgpt trace`: one request's way."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.output import Format, FormatOption, Json, say, show_json

if TYPE_CHECKING:
    from fanzgpt_workers.settings import Settings
    from fanzgpt_workers.tracing.evidence import Evidence
    from fanzgpt_workers.tracing.timeline import Moment

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def trace(
    context: typer.Context,
    request_id: Annotated[str, typer.Argument(help="The id of the request.")],
    hours: Annotated[float, typer.Option(min=0, help="How far back to search for what the ledger lacks.")] = 24.0,
    output: FormatOption = Format.TEXT,
) -> None:
    """Tell one request's way through topics, provider calls and rows, and what is still missing.

    Shows no prompt and no answer. Exit 1 when nothing at all is known of it.
    """
    settings = Invocation.of(context).settings("kafka")
    found = asyncio.run(_look_up(settings, request_id, since=datetime.now(UTC) - timedelta(hours=hours)))
    from fanzgpt_workers.tracing.timeline import missing, timeline  # noqa: PLC0415  # not for `--help`

    if output is Format.JSON:
        show_json([document(one, timeline(one), missing(one)) for one in found])
    else:
        for one in found:
            tell(one, timeline(one), missing(one))
    if not found:
        sys.stderr.write(f"fanzgpt: nothing is known of a request {request_id!r} in the last {hours:g} hours\n")
        raise typer.Exit(1)


async def _look_up(settings: "Settings", request_id: str, *, since: datetime) -> "list[Evidence]":
    from fanzgpt_workers.stores.database import open_database  # noqa: PLC0415  # not for `--help`
    from fanzgpt_workers.tracing.evidence import Investigation  # noqa: PLC0415  # as above
    from fanzgpt_workers.tracing.scan import open_scan  # noqa: PLC0415  # as above

    async with AsyncExitStack() as stack:
        scan = await stack.enter_async_context(
            open_scan(settings.kafka.bootstrap_servers, security=settings.kafka_security.security())
        )
        database = None
        if url := settings.database.url.get_secret_value():
            database = await stack.enter_async_context(await open_database(url, size=1, application="fanzgpt-trace"))
        return await Investigation(scan=scan, database=database).look_up(request_id, since=since)


def tell(evidence: "Evidence", moments: "Sequence[Moment]", lacking: Sequence[str]) -> None:
    """One request's moments, a line each, and what is lacking."""
    report = evidence.report
    if report is None:
        say(f"{evidence.request_id}: not in the ledger")
    else:
        say(f"{report.request_id} of {report.user_id}: {report.generation_type}, {report.state}")
    width = max((len(moment.where) for moment in moments), default=0)
    first = moments[0].at if moments else None
    for moment in moments:
        since = "" if first is None or moment.at == first else f"+{(moment.at - first).total_seconds():.3f}s"
        at = f"{moment.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
        say(f"  {at} {since:>10}  {moment.what:<9}  {moment.where:<{width}}  {moment.detail}".rstrip())
    for line in lacking:
        say(f"  {line}")


def document(evidence: "Evidence", moments: "Sequence[Moment]", lacking: Sequence[str]) -> Mapping[str, Json]:
    """The same for programs."""
    report = evidence.report
    return {
        "requestId": evidence.request_id,
        "userId": None if report is None else report.user_id,
        "type": None if report is None else report.generation_type,
        "state": None if report is None else report.state,
        "moments": [
            {"at": m.at.astimezone(UTC).isoformat(), "what": m.what, "where": m.where, "detail": m.detail}
            for m in moments
        ],
        "missing": list(lacking),
    }
