"""What calls cost, by the price list that came with the installed `genai-prices`; it is never fetched.

Below a model's first price tier a price is a sum of counts times rates, so the rates are asked of the list once (by
pricing one kind of token at a time) and the rest is four multiplications; past it the list is asked each time. A model
without a price has no price: a cost that is not known must not read as zero.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from fanzgpt_workers.core.attempts import Price, Tier, Usage
from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.providers import chat_completions, messages
from fanzgpt_workers.providers.endpoint import Endpoint

if TYPE_CHECKING:
    from genai_prices import types as listed

_MOST_MODELS: Final = 1_024
_MILLION: Final = 1_000_000
_CONTEXT: Final[Mapping[Tier, dict[str, str]]] = {
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "batch": {"processing": "batch"},
}
"""What the list calls a tier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPrice:
    """A price from settings, for a model that no list has: US dollars per million tokens.

    Cached tokens cost what input costs unless they have a price of their own.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """Dollars per token, and per call. They hold up to so many input tokens, where there is such a bound."""

    call: Decimal
    uncached: Decimal
    cache_read: Decimal
    cache_write: Decimal
    output: Decimal
    up_to: int | None = None

    def usd(self, usage: Usage) -> Decimal | None:
        read, written = usage.cache_read or 0, usage.cache_write or 0
        uncached = usage.input - read - written
        if uncached < 0:  # the provider's counts contradict each other
            return None
        input_usd = self.uncached * uncached + self.cache_read * read + self.cache_write * written
        return self.call + input_usd + self.output * usage.output


@dataclass(slots=True)
class _Known:
    """A model in the list, with the rates of each of its price periods."""

    model: "listed.ModelInfo"
    provider: "listed.Provider"
    periods: "list[tuple[listed.ModelPrice, _Rates | None]]" = field(default_factory=list)

    def rates_of(self, prices: "listed.ModelPrice") -> _Rates | None:
        for period, rates in self.periods:
            if period is prices:
                return rates
        rates = _rates(prices)
        self.periods.append((prices, rates))
        return rates


class ListPricing:
    """Prices by provider and model; see `Pricing` for the promise.

    `listed_as` says which provider of the list each of ours is (`listed_as` of this module finds it for an endpoint); a
    provider that is not in it, a local model's say, has no prices but those in `own`.
    """

    def __init__(self, *, listed_as: Mapping[str, str], own: Mapping[tuple[str, str], OwnPrice] | None = None) -> None:
        """Load the list (about 0.2 s)."""
        import genai_prices  # noqa: PLC0415 - 1.6 MB of prices, only for processes that price
        from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - as above

        self._snapshot = get_snapshot()
        self._version = f"genai-prices/{genai_prices.__version__}"
        self._providers = {
            name: self._snapshot.find_provider(None, provider_id, None) for name, provider_id in listed_as.items()
        }
        self._own = {key: _own_rates(price) for key, price in (own or {}).items()}
        self._known: dict[tuple[str, str], _Known | None] = {}

    @property
    def version(self) -> str:
        """The price list's name and version, as it stands with every price."""
        return self._version

    def price(self, *, provider: str, model: str, usage: Usage, at: datetime) -> Price:
        """The price of this usage at that time; `usd` is None without a known price or for counts that contradict."""
        own = self._own.get((provider, model))
        if own is not None and usage.characters is None:
            return Price(usd=own.usd(usage), version="settings")
        key = (provider, model)
        known = self._known.get(key)
        if known is None and key not in self._known:
            known = self._find(provider, model)
        if usage.characters is not None:
            usd = None if known is None else _spoken_usd(known, usage.characters, at)
            return Price(usd=usd, version=self._version)
        return Price(usd=None if known is None else _usd(known, usage, at), version=self._version)

    def _find(self, provider: str, model: str) -> _Known | None:
        listed_provider = self._providers.get(provider)
        found = listed_provider and listed_provider.find_model(model, all_providers=self._snapshot.providers)
        known = _Known(found, listed_provider) if found and listed_provider else None
        if len(self._known) >= _MOST_MODELS:  # callers may name any model, so the memory of them is bounded
            self._known.clear()
        self._known[provider, model] = known
        return known


def listed_as(endpoint: Endpoint) -> str | None:
    """The price list's provider for an endpoint, as stated or by its address; None for a local or unknown one.

    Raises ConfigurationError for a stated provider that the list does not have.
    """
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - as above

    stated = endpoint.priced_as
    if stated is not None:
        ids = [provider.id for provider in get_snapshot().providers]
        if stated not in ids:
            near = ", ".join(get_close_matches(stated, ids, n=3) or ids)
            raise ConfigurationError(
                f"{endpoint.name.upper()}_PRICED_AS={stated}: the price list has no such provider; it has {near}"
            )
        return stated
    maker = chat_completions.BASE_URL if endpoint.protocol == "chat-completions" else messages.BASE_URL
    url = endpoint.base_url or maker
    return next((provider.id for provider in get_snapshot().providers if re.match(provider.api_pattern, url)), None)


def _usd(known: _Known, usage: Usage, at: datetime) -> Decimal | None:
    prices = known.model.get_prices(at)
    if not usage.is_plain:
        return _listed_usd(prices if usage.tier is None else known.model.get_prices(at, _CONTEXT[usage.tier]), usage)
    rates = known.rates_of(prices)
    if rates is None:
        return None
    if rates.up_to is None or usage.input <= rates.up_to:
        return rates.usd(usage)
    return _listed_usd(prices, usage)


def _spoken_usd(known: _Known, characters: int, at: datetime) -> Decimal | None:
    from genai_prices import Usage as ListedUsage  # noqa: PLC0415 - as above

    prices = known.model.get_prices(at)
    if prices.input_mchars is None:  # priced by something else, which is not known
        return None
    return prices.calc_price(ListedUsage(input_characters=characters))["total_price"]


def _rates(prices: "listed.ModelPrice") -> _Rates | None:
    """The rates below the first tier; None for a model that the list knows without a price."""
    from genai_prices.types import TieredPrices  # noqa: PLC0415 - as above

    if prices.input_mtok is None and prices.output_mtok is None:
        return None
    tiered = [price for price in vars(prices).values() if isinstance(price, TieredPrices)]
    up_to = min((tier.start for price in tiered for tier in price.tiers), default=None)
    many = min(_MILLION, up_to or _MILLION)
    call = _listed_usd(prices, Usage(input=0, output=0))
    probes = (
        Usage(input=many, output=0),
        Usage(input=many, output=0, cache_read=many),
        Usage(input=many, output=0, cache_write=many),
        Usage(input=0, output=many),
    )
    totals = [_listed_usd(prices, probe) for probe in probes]
    if call is None or None in totals:
        return None
    uncached, read, written, output = ((total - call) / many for total in totals if total is not None)
    return _Rates(call=call, uncached=uncached, cache_read=read, cache_write=written, output=output, up_to=up_to)


def _listed_usd(prices: "listed.ModelPrice", usage: Usage) -> Decimal | None:
    from genai_prices import Usage as ListedUsage  # noqa: PLC0415 - as above

    if prices.input_mtok is None and prices.output_mtok is None:
        return None
    # A kind that is named needs a price of its own, or one to inherit: those that there are none of are not named.
    kinds = {
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "input_audio_tokens": usage.input_audio,
        "output_audio_tokens": usage.output_audio,
        "input_image_tokens": usage.input_image,
        "output_image_tokens": usage.output_image,
    }
    counts = ListedUsage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        **{name: tokens for name, tokens in kinds.items() if tokens},
    )
    try:
        return prices.calc_price(counts)["total_price"]
    except ValueError:  # the provider's counts contradict each other
        return None


def _own_rates(price: OwnPrice) -> _Rates:
    return _Rates(
        call=Decimal(0),
        uncached=price.input / _MILLION,
        cache_read=(price.input if price.cache_read is None else price.cache_read) / _MILLION,
        cache_write=(price.input if price.cache_write is None else price.cache_write) / _MILLION,
        output=price.output / _MILLION,
    )
