"""What budgets hold, in memory: the twin of the statements that keep them in PostgreSQL."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from fanzgpt_workers.core.attempts import AttemptEnded, Outcome
from fanzgpt_workers.core.budgets import OverBudget, Reservation

NEVER_BILLED: Final[frozenset[Outcome]] = frozenset(
    {"throttled", "overloaded", "unreachable", "refused", "unauthorized", "no-such-model", "out-of-credit"}
)


@dataclass(slots=True)
class HeldBudget:
    """One scope in one window."""

    spent: Decimal = Decimal(0)
    held: Decimal = Decimal(0)


class MemoryBudgets:
    """Budgets by scope and window."""

    def __init__(self) -> None:
        """Nothing is held."""
        self.held: dict[tuple[str, datetime], HeldBudget] = {}

    def reserve(self, reservation: Reservation | None) -> OverBudget | None:
        """Hold it in all of its scopes, or say which one has no room: one that is spent comes first."""
        if reservation is None:
            return None
        scopes = [(each, self._of(each.scope, reservation.begins_at)) for each in reservation.allowances]
        full = [
            OverBudget(allowance=each, is_spent=held.spent + reservation.usd > each.usd)
            for each, held in scopes
            if held.spent + held.held + reservation.usd > each.usd
        ]
        if full:
            return min(full, key=lambda over: (not over.is_spent, over.allowance.scope))
        for _, held in scopes:
            held.held += reservation.usd
        return None

    def settle(self, reservation: Reservation | None, ended: AttemptEnded) -> None:
        """Give back what was held, and charge what it came to."""
        if reservation is None or ended.outcome == "unknown":
            return
        for each in reservation.allowances:
            held = self._of(each.scope, reservation.begins_at)
            held.held -= reservation.usd
            held.spent += charge(reservation, ended)

    def _of(self, scope: str, begins_at: datetime) -> HeldBudget:
        return self.held.setdefault((scope, begins_at), HeldBudget())


def charge(reservation: Reservation, ended: AttemptEnded) -> Decimal:
    """What an attempt came to: its cost; nothing where it is never billed; else all that it had reserved."""
    if ended.price is not None and ended.price.usd is not None:
        return ended.price.usd
    return Decimal(0) if ended.outcome in NEVER_BILLED else reservation.usd
