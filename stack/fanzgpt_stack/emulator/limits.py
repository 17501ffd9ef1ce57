"""Requests and tokens per minute, enforced as the vendors do: buckets that refill continuously, one pair per key."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal

from fanzgpt_stack.emulator.calls import Call

Measure = Literal["requests", "tokens"]


@dataclass(frozen=True, slots=True)
class Level:
    """One bucket after a call: its limit per minute, what is left of it, and the seconds until it is full."""

    limit: int
    remaining: int
    full_in: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands after a call. `wait` is None where the call was allowed, else seconds until it would be."""

    levels: dict[Measure, Level]
    wait: float | None
    exceeded: Measure | None


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

    def __init__(self, *, rpm: int | None, tpm: int | None, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds; None is no limit."""
        self._per_minute: dict[Measure, int] = {}
        if rpm is not None:
            self._per_minute["requests"] = rpm
        if tpm is not None:
            self._per_minute["tokens"] = tpm
        self._clock = clock
        self._accounts: dict[tuple[str, str], dict[Measure, _Bucket]] = {}

    def take(self, call: Call, tokens: int) -> Standing | None:
        """Charge a call, or say how long it has to wait and charge nothing; None without limits."""
        if not self._per_minute:
            return None
        now = self._clock()
        buckets = self._accounts.get((call.vendor, call.account))
        if buckets is None:
            buckets = {measure: _Bucket(limit, now) for measure, limit in self._per_minute.items()}
            self._accounts[call.vendor, call.account] = buckets
        amounts: dict[Measure, int] = {"requests": 1, "tokens": tokens}
        waits = {measure: bucket.wait(amounts[measure], now) for measure, bucket in buckets.items()}
        longest = max(waits, key=lambda measure: waits[measure])
        allowed = waits[longest] == 0
        if allowed:
            for measure, bucket in buckets.items():
                bucket.take(amounts[measure])
        levels = {measure: bucket.level() for measure, bucket in buckets.items()}
        if allowed:
            return Standing(levels, None, None)
        return Standing(levels, min(waits[longest], 3600.0), longest)

    def refill(self) -> None:
        """Fill every bucket."""
        self._accounts.clear()
