"""What a call costs by our price, by the provider's own bill and by hand: the cases that others were found to get wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import pytest
from tests.contract.test_providers import ADAPTERS, Adapter, a_call

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_workers.providers.pricing import ListPricing

PRICING: Final = ListPricing(listed_as={"chat-completions": "openai", "messages": "anthropic"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is counted of a call to a model, and dollars by hand from the prices of its maker."""

    name: str
    protocol: str
    model: str
    counted: Mapping[str, object]
    usd: str


CASES = [
    Case(
        name="tokens written to a cache are counted once",  # 2,000 at 3, 8,000 at 3.75, 100 at 15 dollars a million
        protocol="messages",
        model="claude-sonnet-4-5",
        counted={"input": 10_000, "cache_write": 8_000, "output": 100},
        usd="0.0375",
    ),
    Case(
        name="tokens read from a cache are counted once",  # 1,000 at 3, 9,000 at 0.30, 100 at 15
        protocol="messages",
        model="claude-sonnet-4-5",
        counted={"input": 10_000, "cache_read": 9_000, "output": 100},
        usd="0.0072",
    ),
    Case(
        name="a cache that is kept for an hour costs double",  # 2,000 at 3, 3,000 at 3.75, 5,000 at 6, 100 at 15
        protocol="messages",
        model="claude-sonnet-4-5",
        counted={"input": 10_000, "cache_write": 8_000, "cache_write_1h": 5_000, "output": 100},
        usd="0.04875",
    ),
    Case(
        name="a batch costs half",  # 1,000 at 0.50, 100 at 2.50
        protocol="messages",
        model="claude-haiku-4-5",
        counted={"input": 1_000, "output": 100, "tier": "batch"},
        usd="0.00075",
    ),
    Case(
        name="a cached prefix that nobody asked for is cheaper all the same",  # 2,000 at 0.15, 8,000 at 0.075, 100 at 0.60
        protocol="chat-completions",
        model="gpt-4o-mini",
        counted={"input": 10_000, "cache_read": 8_000, "output": 100},
        usd="0.00096",
    ),
    Case(
        name="reasoning is part of the output and not charged beside it",  # 100 at 0.25, 1,000 at 2
        protocol="chat-completions",
        model="gpt-5-mini",
        counted={"input": 100, "output": 1_000, "reasoning": 900},
        usd="0.002025",
    ),
    Case(
        name="the flexible tier costs half",  # 1,000 at 0.125, 1,000 at 1
        protocol="chat-completions",
        model="gpt-5-mini",
        counted={"input": 1_000, "output": 1_000, "tier": "flex"},
        usd="0.001125",
    ),
    Case(
        name="audio has prices of its own",  # 400 at 2.50, 600 at 32, 100 at 10, 400 at 64
        protocol="chat-completions",
        model="gpt-audio",
        counted={"input": 1_000, "input_audio": 600, "output": 500, "output_audio": 400},
        usd="0.0468",
    ),
]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    with running_emulator(tmp_path_factory.mktemp("emulator") / "bill.jsonl") as running:
        yield running


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: f"{adapter.transport}-{adapter.protocol}")
async def test_our_price_is_the_providers_bill(adapter: Adapter, emulator: RunningEmulator, *, streamed: bool) -> None:
    provider = adapter.open(emulator.url)
    for case in (each for each in CASES if each.protocol == adapter.protocol):
        emulator.clear()
        emulator.script([{"action": {"do": "count", **case.counted}}])
        call = a_call(model=case.model, grown=(lambda _: None) if streamed else None)
        completion = await provider.complete(call)
        assert completion.usage is not None
        price = PRICING.price(
            provider=adapter.protocol, model=completion.model, usage=completion.usage, at=datetime.now(UTC)
        )
        assert price.usd is not None, case.name
        assert abs(price.usd - Decimal(case.usd)) < Decimal("1e-9"), case.name
        assert abs(price.usd - Decimal(emulator.totals()["cost_usd"])) < Decimal("1e-9"), case.name
    await provider.aclose()
