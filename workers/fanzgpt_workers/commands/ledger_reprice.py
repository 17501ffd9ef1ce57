"""`fanzgpt ledger reprice`: what calls cost by the price list that is installed now."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.output import Format, FormatOption, say, show_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanzgpt_workers.settings import Settings
    from fanzgpt_workers.stores.repricing import Change


def reprice(
    context: typer.Context,
    since: Annotated[datetime | None, typer.Option(help="Calls started from this time on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Calls started before this time (UTC).")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write the new prices; without this nothing is changed.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Price calls anew with the installed price list, each at the time it was made. Shows what would change.

    Providers are priced as the settings say (OPENAI_PRICED_AS and its like). A call that the list has no price for any
    more keeps the one it has. What budgets were charged stays.
    """
    settings = Invocation.of(context).settings("database")
    changes = asyncio.run(_reprice(settings, _utc(since), _utc(until), write=yes))
    if output is Format.JSON:
        show_json(
            [
                {
                    "provider": change.provider,
                    "model": change.model,
                    "calls": change.calls,
                    "changed": change.changed,
                    "withoutPriceNow": change.lost,
                    "beforeUsd": str(change.before_usd),
                    "afterUsd": str(change.after_usd),
                    "written": yes,
                }
                for change in changes
            ]
        )
        return
    headings = ("MODEL", "CALLS", "CHANGED", "NO PRICE NOW", "BEFORE USD", "AFTER USD")
    rows = [
        (
            f"{change.provider}/{change.model}",
            str(change.calls),
            str(change.changed),
            str(change.lost),
            f"{change.before_usd:.6f}",
            f"{change.after_usd:.6f}",
        )
        for change in changes
    ]
    for line in table(headings, rows, right=headings[1:]) if rows else ("no call with known tokens in that time",):
        say(line)
    changed = sum(change.changed for change in changes)
    if changed:
        say(f"{changed} prices {'written' if yes else 'would change; --yes writes them'}")


async def _reprice(
    settings: "Settings", since: datetime | None, until: datetime | None, *, write: bool
) -> "Sequence[Change]":
    from fanzgpt_workers.generation import price_list  # noqa: PLC0415  # not for `--help`
    from fanzgpt_workers.stores.database import open_database  # noqa: PLC0415  # as above
    from fanzgpt_workers.stores.repricing import Repricing  # noqa: PLC0415  # as above

    url = settings.database.url.get_secret_value()
    async with await open_database(url, size=1, deadline=60.0, application="fanzgpt-ledger") as database:
        return await Repricing(database, price_list(settings.providers)).reprice(since=since, until=until, write=write)


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=at.tzinfo or UTC)
