"""Budgets, wired from the settings: a ledger that keeps them, and a purse that reserves for calls."""

from collections.abc import Callable
from typing import Final

from fanzgpt_workers.lifecycle.purse import Purse, PurseObserver
from fanzgpt_workers.ports import Pricing
from fanzgpt_workers.settings import BudgetSettings, ProviderSettings
from fanzgpt_workers.stores.database import Database
from fanzgpt_workers.stores.postgres_budgets import PostgresBudgetedLedger
from fanzgpt_workers.stores.postgres_ledger import PostgresLedger

SETTLING_SECONDS: Final = 10.0
"""From the end of the longest call to its settlement."""


def ledger(
    database: Database, settings: BudgetSettings, *, takeover_after: float, nearly_spent: Callable[[str], None]
) -> PostgresLedger:
    """The ledger; one that keeps budgets, too, where there are any."""
    if settings.budgets is None:
        return PostgresLedger(database, takeover_after=takeover_after)
    return PostgresBudgetedLedger(
        database, takeover_after=takeover_after, warn_from=settings.warn_at, nearly_spent=nearly_spent
    )


def purse(settings: BudgetSettings, ai: ProviderSettings, *, pricing: Pricing, observer: PurseObserver) -> Purse | None:
    """What calls are paid from; None where any may be paid for."""
    if settings.budgets is None:
        return None
    return Purse(
        settings.budgets,
        pricing=pricing,
        when_spent=settings.when_spent,
        longest_call_seconds=ai.attempt_timeout_seconds + SETTLING_SECONDS,
        observer=observer,
    )
