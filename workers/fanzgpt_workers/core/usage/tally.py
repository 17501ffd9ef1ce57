"""The figures of one key in one pane: integers alone, so that adding up in any order gives the same."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from math import ceil, log
from typing import Any, Final, Self

import orjson

RELATIVE_ERROR: Final = 0.01
GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
PICO: Final = 10**12  # a dollar; every price list's price of one token is a whole number of these
_LOG_GAMMA: Final = log(GAMMA)


def bucket_of(latency_ms: int) -> int:
    """The bucket of a latency: number n holds what is above GAMMA^(n-1) and not above GAMMA^n; 0 ms are in -1."""
    return ceil(log(latency_ms) / _LOG_GAMMA - 1e-9) if latency_ms > 0 else -1


def value_of(bucket: int) -> float:
    """The latency that stands for a bucket, in ms: never further than 1 % from any in it."""
    return 0.0 if bucket < 0 else 2 * GAMMA**bucket / (GAMMA + 1)


def pico_dollars(usd: float) -> int:
    """An amount as events carry it, exactly, in the shortest decimal that means this float."""
    return int((Decimal(repr(usd)) * PICO).to_integral_value(ROUND_HALF_UP))


def dollars(pico: int) -> str:
    """An amount in plain decimal notation, without zeros at its end."""
    whole, rest = divmod(pico, PICO)
    return f"{whole}.{rest:012d}".rstrip("0").rstrip(".")


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts, tokens, money and latencies. `offset` is the last record that is in it.

    `requests` are the generations that ended, `failed` those without an answer, `cached` those answered without a call
    of their own. `latencies` counts by bucket (`bucket_of`).
    """

    offset: int = -1
    requests: int = 0
    failed: int = 0
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico: int = 0
    latencies: dict[int, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """As it is kept; `decode` gives it back."""
        latencies = sorted(self.latencies.items())
        return orjson.dumps(
            [
                self.offset,
                self.requests,
                self.failed,
                self.cached,
                self.input_tokens,
                self.output_tokens,
                str(self.cost_pico),
                latencies,
            ]
        )

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """What `encode` made."""
        figures: list[Any] = orjson.loads(value)
        offset, requests, failed, cached, given, answered, cost, latencies = figures
        return cls(
            offset=offset,
            requests=requests,
            failed=failed,
            cached=cached,
            input_tokens=given,
            output_tokens=answered,
            cost_pico=int(cost),
            latencies={bucket: number for bucket, number in latencies},  # noqa: C416 - a JSON pair is a list
        )

    def quantile(self, share: float) -> float | None:
        """The latency in ms that this share of the requests did not exceed, within 1 %; None where none is known."""
        number = sum(self.latencies.values())
        rank = max(1, ceil(share * number - 1e-9))
        for bucket, here in sorted(self.latencies.items()):
            rank -= here
            if rank <= 0:
                return value_of(bucket)
        return None


def merged(tallies: Iterable[Tally]) -> Tally:
    """The sum."""
    whole = Tally()
    for each in tallies:
        whole.offset = max(whole.offset, each.offset)
        whole.requests += each.requests
        whole.failed += each.failed
        whole.cached += each.cached
        whole.input_tokens += each.input_tokens
        whole.output_tokens += each.output_tokens
        whole.cost_pico += each.cost_pico
        for bucket, number in each.latencies.items():
            whole.latencies[bucket] = whole.latencies.get(bucket, 0) + number
    return whole
