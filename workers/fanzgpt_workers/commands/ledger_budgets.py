"""`fanzgpt ledger budgets`: what budgets hold."""

import asyncio
from datetime import UTC
from typing import TYPE_CHECKING, Annotated

import typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.output import Format, FormatOption, say, show_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanzgpt_workers.stores.budget_reports import BudgetReport


def budgets(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest window first.")] = 100,
    recount: Annotated[bool, typer.Option("--recount", help="First count them anew from their calls.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """List what each budget has spent in its window, and what it holds for calls under way or of unknown outcome."""
    wrong, found = asyncio.run(_budgets(context, limit, recount=recount))
    if output is Format.JSON:
        show_json(
            [
                {
                    "scope": one.scope,
                    "beginsAt": one.begins_at.isoformat(),
                    "spentUsd": str(one.spent_usd),
                    "heldUsd": str(one.held_usd),
                    "warned": one.warned,
                }
                for one in found
            ]
        )
        return
    if recount:
        say(f"{wrong} budgets were counted wrong")
    headings = ("BUDGET", "SINCE (UTC)", "SPENT USD", "HELD USD", "WARNED")
    rows = [
        (
            one.scope,
            f"{one.begins_at.astimezone(UTC):%Y-%m-%d %H:%M}",
            f"{one.spent_usd:.6f}",
            f"{one.held_usd:.6f}",
            "yes" if one.warned else "",
        )
        for one in found
    ]
    for line in table(headings, rows, right=headings[2:4]) if rows else ("none: no budget was ever used",):
        say(line)


async def _budgets(context: typer.Context, limit: int, *, recount: bool) -> "tuple[int, Sequence[BudgetReport]]":
    url = Invocation.of(context).settings("database").database.url.get_secret_value()
    from fanzgpt_workers.stores.budget_reports import BudgetReports  # noqa: PLC0415  # not for `--help`
    from fanzgpt_workers.stores.database import open_database  # noqa: PLC0415  # as above

    async with await open_database(url, size=1, deadline=60.0, application="fanzgpt-ledger") as database:
        reports = BudgetReports(database)
        wrong = await reports.recount() if recount else 0
        return wrong, await reports.budgets(limit=limit)
