"""What may be spent."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from fanzgpt_workers.core.budgets import Budgets, Window
from fanzgpt_workers.settings.group import Group


def _tiers(value: object) -> object:
    if not isinstance(value, str):
        return value
    tiers: dict[str, Decimal] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, equals, usd = (piece.strip() for piece in part.partition("="))
        try:
            amount = Decimal(usd)
        except InvalidOperation:
            amount = Decimal(-1)
        if not equals or not name or not amount.is_finite() or amount < 0:
            raise ValueError(f"{part!r} should be a tier, an equals sign and US dollars")
        tiers[name] = amount
    return tiers


Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Tiers = Annotated[Mapping[str, Decimal], BeforeValidator(_tiers)]


class BudgetSettings(Group):
    """What may be spent in a window; a limit that is not set does not exist."""

    total_usd: Usd | None = Field(
        None,
        alias="AI_BUDGET_TOTAL_USD",
        description="US dollars that everybody together may spend in a window. None by default.",
        examples=["200"],
    )
    user_usd: Usd | None = Field(
        None,
        alias="AI_BUDGET_USER_USD",
        description="US dollars that each user may spend in a window. None by default.",
        examples=["0.50"],
    )
    tiers_usd: Tiers = Field(
        {},
        alias="AI_BUDGET_TIERS_USD",
        description="US dollars that the users of a tier may spend together, by `metadata.subscription` of requests; "
        "one that says none is of the tier `standard`. None by default.",
        examples=["standard=50,premium=150"],
    )
    window: Window = Field(
        "day",
        alias="AI_BUDGET_WINDOW",
        description="The window, of the calendar in UTC. `day`, so that a mistake costs a day's budget at most.",
    )
    warn_at: Annotated[Decimal, Field(gt=0, le=1)] = Field(
        Decimal("0.8"),
        alias="AI_BUDGET_WARN_AT",
        description="Share of a budget from which on it counts as nearly spent: a line in the log and a metric, once "
        "in a window. 0.8 leaves a fifth of the window's money to react.",
    )
    when_spent: Literal["reject", "wait"] = Field(
        "reject",
        alias="AI_BUDGET_WHEN_SPENT",
        description="What becomes of a request that a spent budget has no room for: it ends as rejected, saying when "
        "the budget begins anew, or waits for that, at most to its deadline. `reject`: people wait for answers.",
    )

    @property
    def budgets(self) -> Budgets | None:
        """The budgets; None where there is no limit."""
        if self.total_usd is None and self.user_usd is None and not self.tiers_usd:
            return None
        return Budgets(window=self.window, total=self.total_usd, each_user=self.user_usd, tiers=self.tiers_usd)
