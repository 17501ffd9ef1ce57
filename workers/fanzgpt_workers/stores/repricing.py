"""Prices of calls that were made, anew: by the price list that is installed now, at the time of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from fanzgpt_workers.core.attempts import Price
from fanzgpt_workers.ports import Pricing
from fanzgpt_workers.stores.database import Database
from fanzgpt_workers.stores.statements import statement
from fanzgpt_workers.stores.usage_text import usage_of

_AT_ONCE: Final = 2_000
_BEFORE_ALL: Final = UUID(int=0)


@dataclass(slots=True, kw_only=True)
class Change:
    """What new prices make of the calls of one model: how many have another price, and the sums before and after.

    A call that had no price and has one now counts with its new one; `lost` are those that had one and have none now:
    they keep theirs.
    """

    provider: str
    model: str
    calls: int = 0
    changed: int = 0
    lost: int = 0
    before_usd: Decimal = Decimal(0)
    after_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Repriced:
    attempt_id: UUID
    old: Decimal | None
    new: Price


class Repricing:
    """Goes over the ledger's calls; raises DatabaseUnavailable and ConfigurationError as every store."""

    def __init__(self, database: Database, pricing: Pricing) -> None:
        """Price with `pricing`."""
        self._database: Final = database
        self._pricing: Final = pricing

    async def reprice(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        write: bool,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Sequence[Change]:
        """Price every call with known tokens that started in the window; the changes by model, sorted.

        Nothing is changed unless `write`; then page by page, and a price that somebody else changes meanwhile stays.
        Interrupted, it can be begun again: what is priced already stays. `progress` is told the calls so far.
        """
        changes: dict[tuple[str, str], Change] = {}
        after, seen = _BEFORE_ALL, 0
        while True:
            async with self._database.connection() as connection:
                rows = await connection.fetch(statement("repricing_page"), after, since, until, _AT_ONCE)
                repriced = [found for row in rows if (found := self._repriced(row, changes)) is not None]
                if write and repriced:
                    await connection.execute(
                        statement("reprice"),
                        [each.attempt_id for each in repriced],
                        [each.old for each in repriced],
                        [each.new.usd for each in repriced],
                        [each.new.version for each in repriced],
                    )
            seen += len(rows)
            progress(seen)
            if len(rows) < _AT_ONCE:
                return [changes[key] for key in sorted(changes)]
            after = rows[-1]["attempt_id"]

    def _repriced(self, row: asyncpg.Record, changes: dict[tuple[str, str], Change]) -> _Repriced | None:
        """The new price of a call, where it is another one."""
        provider, model, old = row["provider"], row["model"], row["cost_usd"]
        change = changes.setdefault((provider, model), Change(provider=provider, model=model))
        usage = usage_of(dict(row))
        if usage is None:
            return None
        new = self._pricing.price(provider=provider, model=model, usage=usage, at=row["started_at"])
        change.calls += 1
        change.before_usd += old or 0
        if new.usd is None:
            change.lost += old is not None
            change.after_usd += old or 0
            return None
        change.after_usd += new.usd
        if new.usd == old:
            return None
        change.changed += 1
        return _Repriced(row["attempt_id"], old, new)
