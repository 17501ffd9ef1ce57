"""The ledger in PostgreSQL that keeps budgets, too: in the same statements, so that no call slips in between."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import asyncpg

from fanzgpt_workers.core.attempts import AttemptStarted
from fanzgpt_workers.core.budgets import OverBudget
from fanzgpt_workers.stores.database import Database
from fanzgpt_workers.stores.postgres_ledger import PostgresLedger
from fanzgpt_workers.stores.rounds import rounds
from fanzgpt_workers.stores.statements import statement
from fanzgpt_workers.stores.storable import storable

if TYPE_CHECKING:
    from fanzgpt_workers.stores.database import Session

_MOST_MET: Final = 100_000


class PostgresBudgetedLedger(PostgresLedger):
    """A `PostgresLedger` whose attempts find room in their budgets before they are written.

    An attempt's row and what it holds are one statement, and so are its settlement and what it gives back: a budget is
    never jumped by calls side by side, in any number of workers, and follows from the attempts alone.
    """

    def __init__(
        self,
        database: Database,
        *,
        takeover_after: float,
        warn_from: Decimal,
        nearly_spent: Callable[[str], None],
        order: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`nearly_spent` is told the scope of a budget, once in its window, whose use passes the share `warn_from`."""
        super().__init__(database, takeover_after=takeover_after, order=order)
        settlement = statement("settle_budgeted")
        self._settle = settlement + statement("settled")
        self._finish = settlement + statement("finish")
        self._start_budgeted: Final = statement("start_attempts_budgeted")
        self._meet: Final = statement("budgets_meet")
        self._warn_from: Final = warn_from
        self._nearly_spent: Final = nearly_spent
        self._met: set[tuple[str, datetime]] = set()

    async def start_attempts(self, attempts: Sequence[AttemptStarted]) -> Sequence[bool | OverBudget]:
        """Write attempt rows where there is room for them; see the port."""
        answers: dict[int, bool | OverBudget] = {}
        async with self._database.connection() as connection:
            await self._meet_budgets(connection, attempts)
            for batch in rounds(attempts, lambda attempt: attempt.request_key):
                chosen = [attempt for _, attempt in batch]
                found = {row["request_key"]: row for row in await self._started(connection, chosen)}
                answers.update((place, _answer(each, found.get(each.request_key))) for place, each in batch)
                for scope in {scope for row in found.values() for scope in row["nearly_spent"] or ()}:
                    self._nearly_spent(scope)
        return [answers[place] for place in range(len(attempts))]

    async def _started(self, connection: "Session", attempts: Sequence[AttemptStarted]) -> Sequence[asyncpg.Record]:
        held = [attempt.reservation for attempt in attempts]
        allowed = [
            (attempt.attempt_id, allowance.scope, attempt.reservation.begins_at, allowance.usd)
            for attempt in attempts
            if attempt.reservation is not None
            for allowance in attempt.reservation.allowances
        ]
        return await connection.fetch(
            self._start_budgeted,
            [attempt.attempt_id for attempt in attempts],
            [attempt.request_key for attempt in attempts],
            [attempt.epoch for attempt in attempts],
            [attempt.ordinal for attempt in attempts],
            [storable(attempt.provider) for attempt in attempts],
            [storable(attempt.model) for attempt in attempts],
            [attempt.cause for attempt in attempts],
            [each and each.usd for each in held],
            [each and each.begins_at for each in held],
            [each[0] for each in allowed],
            [storable(each[1]) for each in allowed],
            [each[2] for each in allowed],
            [each[3] for each in allowed],
            self._warn_from,
        )

    async def _meet_budgets(self, connection: "Session", attempts: Sequence[AttemptStarted]) -> None:
        """Have a row for each budget; a statement of its own for those that this process has not seen yet."""
        new = {
            (allowance.scope, attempt.reservation.begins_at)
            for attempt in attempts
            if attempt.reservation is not None
            for allowance in attempt.reservation.allowances
        } - self._met
        if not new:
            return
        await connection.execute(self._meet, [storable(scope) for scope, _ in new], [begins_at for _, begins_at in new])
        if len(self._met) >= _MOST_MET:  # users come and go, and so do windows
            self._met.clear()
        self._met |= new


def _answer(attempt: AttemptStarted, row: asyncpg.Record | None) -> bool | OverBudget:
    if row is None:
        return False
    if row["fits"] or attempt.reservation is None:
        return True
    full = next(each for each in attempt.reservation.allowances if storable(each.scope) == row["full_scope"])
    return OverBudget(allowance=full, is_spent=row["is_spent"])
