"""A provider's sliding minute: what is in it, and when there is room again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What the provider allows in any minute, to all workers together."""

    requests: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The answer to an ask: how many of the first calls may go, and how many seconds the next one waits.

    `second` is where they stand in the window; `workers` is how many share the limit.
    """

    second: int
    granted: int
    wait: float
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """By how much a granted call's estimate was wrong; a call that was never made takes its request back."""

    second: int
    requests: int
    tokens: int


class Now(Protocol):
    """A clock in milliseconds."""

    def __call__(self) -> int:
        """The present."""
        ...


class Minute(Protocol):
    """One provider's window. Raises CacheUnavailable where its keeper is away."""

    async def reserve(self, tokens: Sequence[int], limit: Limit) -> Grant:
        """Take as many of the calls into the window, in their order, as have room."""
        ...

    async def correct(self, corrections: Sequence[Correction]) -> None:
        """Put the truth in the place of estimates."""
        ...

    async def close(self, seconds: float) -> None:
        """Grant nothing for so long: the provider has said so to one of us."""
        ...


class MemoryMinute:
    """A window of one process's own; the twin of the one in Redis, and what stands in for it while that is away."""

    def __init__(self, *, now_ms: Now) -> None:
        """`now_ms` is the time in milliseconds."""
        self._now_ms = now_ms
        self._seconds: dict[int, tuple[int, int]] = {}
        self._opens_ms = 0

    async def reserve(self, tokens: Sequence[int], limit: Limit) -> Grant:
        """See `Minute`."""
        now_ms = self._now_ms()
        now = now_ms // 1000
        if self._opens_ms > now_ms:
            return Grant(second=now, granted=0, wait=(self._opens_ms - now_ms) / 1000, workers=1)
        for second in [second for second in self._seconds if second <= now - SECONDS - 1]:
            del self._seconds[second]
        kept = sorted((second, *held) for second, held in self._seconds.items())
        requests_in, tokens_in = sum(each[1] for each in kept), sum(each[2] for each in kept)
        granted = taken = 0
        for each in tokens:
            wanted = min(each, limit.tokens)
            if requests_in + 1 > limit.requests or tokens_in + wanted > limit.tokens:
                break
            granted, requests_in, tokens_in, taken = granted + 1, requests_in + 1, tokens_in + wanted, taken + wanted
        if granted:
            before = self._seconds.get(now, (0, 0))
            self._seconds[now] = (before[0] + granted, before[1] + taken)
            kept.append((now, granted, taken))
        wait = 0.0
        if granted < len(tokens):
            wanted, wait = min(tokens[granted], limit.tokens), 1.0
            for second, r, t in kept:
                requests_in, tokens_in = requests_in - r, tokens_in - t
                if requests_in + 1 <= limit.requests and tokens_in + wanted <= limit.tokens:
                    wait = max(20, (second + SECONDS + 1) * 1000 - now_ms) / 1000
                    break
        return Grant(second=now, granted=granted, wait=wait, workers=1)

    async def correct(self, corrections: Sequence[Correction]) -> None:
        """See `Minute`."""
        for each in corrections:
            held = self._seconds.get(each.second)
            if held is not None:
                self._seconds[each.second] = (held[0] + each.requests, held[1] + each.tokens)

    async def close(self, seconds: float) -> None:
        """See `Minute`."""
        self._opens_ms = max(self._opens_ms, self._now_ms() + round(seconds * 1000))
