"""Limits, enforced as the vendors do: buckets that refill continuously, a set per key, and calls at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

from fanzgpt_stack.emulator.calls import Call

Measure = Literal["requests", "tokens", "input-tokens", "output-tokens"]


@dataclass(frozen=True, slots=True)
class Level:
    """One bucket after a call: its limit per minute, what is left of it, and the seconds until it is full."""

    limit: int
    remaining: int
    full_in: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands after a call. `wait`: seconds until a refused one would be allowed, None if nobody knows."""

    levels: dict[Measure, Level]
    refused: bool
    wait: float | None


class _Bucket:
    __slots__ = ("_left", "_limit", "_since")

    def __init__(self, limit: int, now: float) -> None:
        self._limit = limit
        self._left = float(limit)
        self._since = now

    def wait(self, amount: int, now: float) -> float:
        """Seconds until so much could be taken; infinite for more than the bucket holds."""
        per_second = self._limit / 60
        self._left = min(float(self._limit), self._left + (now - self._since) * per_second)
        self._since = now
        if amount > self._limit:
            return inf
        return max(0.0, (amount - self._left) / per_second)

    def take(self, amount: int) -> None:
        self._left -= amount

    def level(self) -> Level:
        return Level(self._limit, max(0, int(self._left)), (self._limit - self._left) * 60 / self._limit)


class Limits:
    """The limits of every account. A call costs one request and the tokens of its question and its answer."""

    def __init__(
        self,
        per_minute: Mapping[Measure, int | None],
        *,
        concurrent: int | None = None,
        in_flight: Callable[[], int] = int,
        clock: Callable[[], float],
    ) -> None:
        """`clock` is monotonic, in seconds; None is no limit; `in_flight` counts the calls under way, this one too."""
        self._per_minute = {measure: limit for measure, limit in per_minute.items() if limit is not None}
        self._concurrent = concurrent
        self._in_flight = in_flight
        self._clock = clock
        self._accounts: dict[tuple[str, str], dict[Measure, _Bucket]] = {}

    def take(self, call: Call, *, input_tokens: int, output_tokens: int) -> Standing | None:
        """Charge a call, or say how long it has to wait and charge nothing; None without limits."""
        if self._concurrent is not None and self._in_flight() > self._concurrent:
            return Standing({}, refused=True, wait=None)
        if not self._per_minute:
            return None
        now = self._clock()
        buckets = self._accounts.get((call.vendor, call.account))
        if buckets is None:
            buckets = {measure: _Bucket(limit, now) for measure, limit in self._per_minute.items()}
            self._accounts[call.vendor, call.account] = buckets
        amounts: dict[Measure, int] = {
            "requests": 1,
            "tokens": input_tokens + output_tokens,
            "input-tokens": input_tokens,
            "output-tokens": output_tokens,
        }
        longest = max(bucket.wait(amounts[measure], now) for measure, bucket in buckets.items())
        if longest == 0:
            for measure, bucket in buckets.items():
                bucket.take(amounts[measure])
        levels = {measure: bucket.level() for measure, bucket in buckets.items()}
        return Standing(levels, refused=longest > 0, wait=min(longest, 3600.0) if longest > 0 else None)

    def refill(self) -> None:
        """Fill every bucket."""
        self._accounts.clear()
