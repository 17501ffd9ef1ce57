"""What calls cost."""

from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version

import pytest
from genai_prices import Usage as ListedUsage
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.core.attempts import Usage
from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.providers.endpoint import Endpoint
from fanzgpt_workers.providers.pricing import ListPricing, OwnPrice, listed_as
from fanzgpt_workers.settings import ProviderSettings

AT = datetime(2026, 12, 1, tzinfo=UTC)
OWN = OwnPrice(input=Decimal("0.10"), output=Decimal("0.40"), cache_read=Decimal("0.01"))
PRICING = ListPricing(listed_as={"openai": "openai", "anthropic": "anthropic"}, own={("local", "smollm2"): OWN})

COUNTS = st.integers(0, 500_000)


@given(
    st.sampled_from(
        [
            ("openai", "gpt-4o-mini-2024-07-18"),
            ("openai", "gpt-5.4"),
            ("anthropic", "claude-sonnet-4-5"),
            ("anthropic", "claude-haiku-4-5-20251001"),
            ("anthropic", "claude-haiku-5-5"),
        ]
    ),
    COUNTS,
    COUNTS,
    COUNTS,
    COUNTS,
)
def test_every_price_is_the_lists_own_to_the_last_digit(
    target: tuple[str, str], uncached: int, read: int, written: int, output: int
) -> None:
    provider, model = target
    usage = Usage(input=uncached + read + written, output=output, cache_read=read, cache_write=written)
    listed = calc_price(
        ListedUsage(input_tokens=usage.input, output_tokens=output, cache_read_tokens=read, cache_write_tokens=written),
        model,
        provider_id=provider,
        genai_request_timestamp=AT,
    )
    assert PRICING.price(provider=provider, model=model, usage=usage, at=AT).usd == listed.total_price


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", ProviderSettings().openai_model), ("anthropic", ProviderSettings().anthropic_model)],
)
def test_the_models_of_requests_that_name_none_have_a_price(provider: str, model: str) -> None:
    assert PRICING.price(provider=provider, model=model, usage=Usage(input=1, output=1), at=AT).usd


def test_a_price_names_its_list() -> None:
    price = PRICING.price(provider="openai", model="gpt-4o-mini", usage=Usage(input=1_000_000, output=0), at=AT)
    assert price.usd == Decimal("0.15")
    assert price.version == f"genai-prices/{version('genai-prices')}"


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "no-such-model"), ("local", "gpt-4o-mini"), ("nobody", "gpt-4o-mini")]
)
def test_what_has_no_price_costs_nobody_knows_what(provider: str, model: str) -> None:
    assert PRICING.price(provider=provider, model=model, usage=Usage(input=1, output=1), at=AT).usd is None


def test_a_setting_gives_a_local_model_its_price() -> None:
    usage = Usage(input=3_000_000, output=1_000_000, cache_read=1_000_000, cache_write=1_000_000)
    price = PRICING.price(provider="local", model="smollm2", usage=usage, at=AT)
    assert price.usd == Decimal("0.61")
    assert price.version == "settings"


@pytest.mark.parametrize(("provider", "model"), [("openai", "gpt-4o-mini"), ("local", "smollm2")])
def test_counts_that_contradict_each_other_have_no_price(provider: str, model: str) -> None:
    usage = Usage(input=1, output=1, cache_read=5)
    assert PRICING.price(provider=provider, model=model, usage=usage, at=AT).usd is None


def test_the_memory_of_models_is_bounded() -> None:
    pricing = ListPricing(listed_as={"openai": "openai"})
    for number in range(3_000):
        pricing.price(provider="openai", model=f"made-up-{number}", usage=Usage(input=1, output=1), at=AT)
    assert len(pricing._known) <= 1_024


@pytest.mark.parametrize(
    ("endpoint", "provider"),
    [
        (Endpoint(name="a", protocol="chat-completions"), "openai"),
        (Endpoint(name="a", protocol="messages"), "anthropic"),
        (Endpoint(name="a", protocol="chat-completions", base_url="https://openrouter.ai/api/v1"), "openrouter"),
        (Endpoint(name="a", protocol="chat-completions", base_url="http://127.0.0.1:8080/v1"), None),
    ],
)
def test_an_endpoints_prices_are_those_of_its_address(endpoint: Endpoint, provider: str | None) -> None:
    assert listed_as(endpoint) == provider


def test_a_gateway_in_front_of_a_provider_may_be_priced_as_that_provider() -> None:
    at = "http://127.0.0.1:8080/v1"
    assert listed_as(Endpoint(name="openai", protocol="chat-completions", base_url=at, priced_as="openai")) == "openai"
    with pytest.raises(ConfigurationError, match=r"OPENAI_PRICED_AS=opnai: .* it has openai"):
        listed_as(Endpoint(name="openai", protocol="chat-completions", base_url=at, priced_as="opnai"))
