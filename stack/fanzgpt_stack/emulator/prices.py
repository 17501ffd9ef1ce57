"""What a call costs: whole nano-dollars per token, so that a bill of any length adds up exactly.

Prices are those of the public list of `genai-prices`; a model that it does not know costs FLAT. One nano-dollar per
token is a tenth of a cent per million, the finest step in use.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Final

from fanzgpt_stack.emulator.calls import Answer, Vendor


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """Nano-dollars per token."""

    input: int
    output: int

    def of(self, input_tokens: int, output_tokens: int) -> int:
        """The nano-dollars of a call."""
        return self.input * input_tokens + self.output * output_tokens


FLAT: Final = TokenPrice(1_000, 2_000)
"""For a model without a listed price: 1 and 2 dollars per million tokens."""

FLAT_CHARACTER: Final = 15_000
"""For a model that is not priced by character in the list: what `tts-1` costs."""

_SAMPLE_TOKENS: Final = 1_000
_NANO: Final = 1_000_000_000


@cache
def price_of(vendor: Vendor, model: str) -> TokenPrice:
    """The price of a vendor's model."""
    from genai_prices import calc_price  # noqa: PLC0415  # half a second, paid once and only by a server
    from genai_prices.types import Usage  # noqa: PLC0415  # as above

    sample = Usage(input_tokens=_SAMPLE_TOKENS, output_tokens=_SAMPLE_TOKENS)
    try:
        price = calc_price(sample, model, provider_id=vendor)
    except LookupError:
        return FLAT
    return TokenPrice(_per_token(price.input_price), _per_token(price.output_price))


@cache
def character_price(vendor: Vendor, model: str) -> int:
    """Nano-dollars per character that a vendor's model speaks."""
    from genai_prices import calc_price  # noqa: PLC0415  # as above
    from genai_prices.types import Usage  # noqa: PLC0415  # as above

    try:
        price = calc_price(Usage(input_characters=_SAMPLE_TOKENS), model, provider_id=vendor)
    except LookupError:
        return FLAT_CHARACTER
    return _per_token(price.input_price) or FLAT_CHARACTER


def price_of_kinds(vendor: Vendor, model: str, answer: Answer) -> int:
    """The nano-dollars of an answer whose tokens have several prices: the list is asked for this very sum."""
    from genai_prices import calc_price  # noqa: PLC0415  # as above
    from genai_prices.types import Usage  # noqa: PLC0415  # as above

    kinds = answer.kinds
    counts = {
        "cache_read_tokens": kinds.cache_read,
        "cache_write_tokens": kinds.cache_write,
        "cache_write_1h_tokens": kinds.cache_write_1h,
        "input_audio_tokens": kinds.input_audio,
        "output_audio_tokens": kinds.output_audio,
    }
    usage = Usage(
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        **{name: tokens for name, tokens in counts.items() if tokens},
    )
    context = {"processing" if kinds.tier == "batch" else "service_tier": kinds.tier} if kinds.tier else None
    try:
        price = calc_price(usage, model, provider_id=vendor, price_context=context)
    except LookupError:
        return FLAT.of(answer.input_tokens, answer.output_tokens)
    return round(price.total_price * _NANO)


def _per_token(sampled: Decimal) -> int:
    return round(sampled * _NANO / _SAMPLE_TOKENS)
