"""A request and its budget: what is reserved, who waits for whom, and what a fallback may cost."""

import asyncio
from datetime import datetime
from decimal import Decimal

from tests.unit.lifecycle.living import Living, asked
from tests.unit.virtually import on_virtual_time

from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_workers.core.attempts import Price, Usage
from fanzgpt_workers.core.budgets import Budgets
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import ServerError
from fanzgpt_workers.lifecycle.purse import Purse, WhenSpent
from fanzgpt_workers.records import Handled


class PerModel:
    """So many cents a call that has all the output it may have; half of it for one that has not."""

    def __init__(self, **cents: int) -> None:
        self.cents = cents

    def price(self, *, provider: str, usage: Usage, model: str, at: datetime) -> Price:  # the port's
        cents = self.cents.get(provider)
        usd = None if cents is None else Decimal(cents) / 100 * (2 if usage.output == 100 else 1) / 2
        return Price(usd=usd, version="test")


class Heard:
    """What the purse tells."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, bool]] = []

    def over_budget(self, kind: str, *, is_spent: bool) -> None:
        self.refusals.append((kind, is_spent))


def paying(
    budgets: Budgets, *, pricing: PerModel, when_spent: WhenSpent = "reject", fallbacks: tuple[Target, ...] = ()
) -> tuple[Living, Heard]:
    heard = Heard()
    purse = Purse(budgets, pricing=pricing, when_spent=when_spent, longest_call_seconds=20, observer=heard)
    return Living(purse=purse, pricing=pricing, fallbacks=fallbacks), heard


@on_virtual_time
async def test_who_finds_no_room_waits_for_what_others_give_back() -> None:
    living, heard = paying(Budgets(window="day", each_user=Decimal("0.02")), pricing=PerModel(openai=2))
    gate = asyncio.Event()
    living.provider.answers = [gate]
    first = asyncio.create_task(living.take(asked()))
    await asyncio.sleep(1)
    second = asyncio.create_task(living.take(asked(requestId="r-2"), offset=1))
    await asyncio.sleep(5)
    assert len(living.provider.calls) == 1
    gate.set()  # it cost a cent: the second still may cost two
    assert await asyncio.gather(first, second) == [Handled.DONE] * 2
    [failed] = living.told(FAILED_TOPIC)
    assert (failed["requestId"], failed["reason"], failed["retryable"]) == ("r-2", "rejected", True)
    assert "0.02 USD a day is spent; it begins anew at" in failed["detail"]
    assert len(living.provider.calls) == 1
    assert heard.refusals[0] == ("user", False)
    assert heard.refusals[-1] == ("user", True)


@on_virtual_time
async def test_a_fallback_has_to_fit_at_its_own_price() -> None:
    pricing = PerModel(openai=1, anthropic=50)
    budgets = Budgets(window="day", total=Decimal("0.10"))
    living, _ = paying(budgets, pricing=pricing, fallbacks=(Target("anthropic", "b"),))
    living.provider.answers = [ServerError("500")]
    await living.take(asked())
    # Without breakers the fallback is next in the chain after a failure; it would cost half a dollar.
    assert living.other.calls == []
    assert [held.started.provider for held in living.attempts()] == ["openai"] * len(living.attempts())


@on_virtual_time
async def test_a_request_may_wait_for_the_next_window_and_no_longer_than_its_deadline() -> None:
    living, _ = paying(Budgets(window="hour", total=Decimal("0.02")), pricing=PerModel(openai=2), when_spent="wait")
    await living.take(asked())
    began = living.clock.now()
    late = await living.take(asked(requestId="late", deadline=living.in_seconds(60)), offset=1)
    assert late is Handled.DONE
    assert living.clock.now() == began
    assert [told["reason"] for told in living.told(FAILED_TOPIC)] == ["expired"]
    await living.take(asked(requestId="r-2"), offset=2)
    assert [told["requestId"] for told in living.told(COMPLETED_TOPIC)] == ["r-1", "r-2"]
    assert living.clock.now().hour != began.hour


@on_virtual_time
async def test_a_model_without_a_price_holds_nothing() -> None:
    living, _ = paying(Budgets(window="day", total=Decimal(0)), pricing=PerModel())
    assert await living.take(asked()) is Handled.DONE
    assert len(living.told(COMPLETED_TOPIC)) == 1


@on_virtual_time
async def test_tiers_have_budgets_of_their_own() -> None:
    budgets = Budgets(window="day", tiers={"standard": Decimal(0), "premium": Decimal(1)})
    living, heard = paying(budgets, pricing=PerModel(openai=2))
    await living.take(asked())
    await living.take(asked(requestId="r-2", metadata={"subscription": "premium"}), offset=1)
    await living.take(asked(requestId="r-3", metadata={"subscription": "staff"}), offset=2)
    assert [told["requestId"] for told in living.told(COMPLETED_TOPIC)] == ["r-2", "r-3"]
    assert heard.refusals == [("tier", True)]
