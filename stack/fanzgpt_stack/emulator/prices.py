"""What a call costs: whole nano-dollars per token, so that a bill of any length adds up exactly.

Prices are those of the public list of `genai-prices`; a model that it does not know costs FLAT. One nano-dollar per
token is a tenth of a cent per million, the finest step in use.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Final

from fanzgpt_stack.emulator.calls import Vendor


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


def _per_token(sampled: Decimal) -> int:
    return round(sampled * _NANO / _SAMPLE_TOKENS)
