"""What budgets hold, for people; and counting them anew from the attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from fanzgpt_workers.stores.database import Database
from fanzgpt_workers.stores.statements import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetReport:
    """A budget in a window: what settled calls came to, and what those under way, or of no known outcome, may cost."""

    scope: str
    begins_at: datetime
    spent_usd: Decimal
    held_usd: Decimal
    warned: bool


class BudgetReports:
    """Reads budgets; raises DatabaseUnavailable and ConfigurationError as every store."""

    def __init__(self, database: Database) -> None:
        """Read through `database`."""
        self._database: Final = database

    async def budgets(self, *, limit: int = 1000) -> Sequence[BudgetReport]:
        """Budgets that something was held in, newest window first."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(statement("report_budgets"), limit)
        return [BudgetReport(**row) for row in rows]

    async def recount(self) -> int:
        """Count the budgets of the last month anew from their attempts; how many were wrong.

        Calls that have to be reserved or settled wait meanwhile.
        """
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_seqscan = on")
            await connection.fetchval(statement("budgets_lock"))
            return len(await connection.fetch(statement("budgets_recount")))
