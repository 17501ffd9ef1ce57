"""What may be spent: by everybody, by a tier, by each user, in windows of the calendar."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, get_args

Window = Literal["hour", "day", "month"]
WINDOWS: Final[tuple[Window, ...]] = get_args(Window)


def begins(window: Window, at: datetime) -> datetime:
    """When the window that an instant lies in began."""
    start = at.replace(minute=0, second=0, microsecond=0)
    match window:
        case "hour":
            return start
        case "day":
            return start.replace(hour=0)
        case "month":
            return start.replace(day=1, hour=0)


def turns(window: Window, begin: datetime) -> datetime:
    """When the window that began then is over."""
    match window:
        case "hour":
            return begin + timedelta(hours=1)
        case "day":
            return begin + timedelta(days=1)
        case "month":
            return (begin + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a scope may spend in a window: `total`, `tier/premium`, `user/<user key>`."""

    scope: str
    usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """The most that one call may cost, held in each of its scopes from before it is made until it is settled."""

    usd: Decimal
    begins_at: datetime
    allowances: tuple[Allowance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverBudget:
    """The call may not be made now. `is_spent`: it does not fit into what is left even when all others are settled."""

    allowance: Allowance
    is_spent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """The limits in US dollars; None, or a tier that is not named, has none."""

    window: Window
    total: Decimal | None = None
    each_user: Decimal | None = None
    tiers: Mapping[str, Decimal] = field(default_factory=dict)

    def allowances(self, *, user: str, tier: str) -> tuple[Allowance, ...]:
        """The scopes that a user's call counts in, sorted by their names."""
        found = []
        if tier in self.tiers:
            found.append(Allowance(f"tier/{tier}", self.tiers[tier]))
        if self.total is not None:
            found.append(Allowance("total", self.total))
        if self.each_user is not None:
            found.append(Allowance(f"user/{user}", self.each_user))
        found.sort(key=lambda allowance: allowance.scope)
        return tuple(found)


def kind_of(scope: str) -> str:
    """`total`, `tier` or `user`: what a scope is without saying whose."""
    return scope.partition("/")[0]
