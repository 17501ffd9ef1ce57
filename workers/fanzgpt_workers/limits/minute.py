"""A provider's sliding minute: what is in it, and when there is room again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

SECONDS: Final = 60
SLOT_MS: Final = 250
SLOTS: Final = SECONDS * 1000 // SLOT_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What the provider allows in any minute, to all workers together."""

    requests: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The answer to an ask: how many of the first calls may go, and how many seconds the next one waits.

    `slot` is where they stand in the window; `workers` is how many share the limit.
    """

    slot: int
    granted: int
    wait: float
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """By how much a granted call's estimate was wrong; a call that was never made takes its request back.

    A call that was sent later than it was granted is moved: out of the one slot, and into the other.
    """

    slot: int
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
        """Take as many of the calls into the window, in their order, as have room.

        Room is kept for the first that had none, for as long as its worker asks again within three seconds; a worker
        in which nobody waits any more says so by asking for nothing.
        """
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
        self._slots: dict[int, tuple[int, int]] = {}
        self._opens_ms = 0

    async def reserve(self, tokens: Sequence[int], limit: Limit) -> Grant:
        """See `Minute`."""
        now_ms = self._now_ms()
        now = now_ms // SLOT_MS
        if self._opens_ms > now_ms:
            return Grant(slot=now, granted=0, wait=(self._opens_ms - now_ms) / 1000, workers=1)
        for slot in [slot for slot in self._slots if slot < now - SLOTS]:
            del self._slots[slot]
        requests_in = sum(requests for requests, _ in self._slots.values())
        tokens_in = sum(taken for _, taken in self._slots.values())
        granted = 0
        for each in tokens:
            wanted = min(each, limit.tokens)
            if requests_in + 1 > limit.requests or tokens_in + wanted > limit.tokens:
                break
            before = self._slots.get(now, (0, 0))
            self._slots[now] = (before[0] + 1, before[1] + wanted)
            granted, requests_in, tokens_in = granted + 1, requests_in + 1, tokens_in + wanted
        wait = 0.0
        if granted < len(tokens):
            wanted, wait = min(tokens[granted], limit.tokens), 1.0
            for slot, (requests, taken) in sorted(self._slots.items()):
                requests_in, tokens_in = requests_in - requests, tokens_in - taken
                if requests_in + 1 <= limit.requests and tokens_in + wanted <= limit.tokens:
                    wait = max(20, (slot + SLOTS + 1) * SLOT_MS - now_ms) / 1000
                    break
        return Grant(slot=now, granted=granted, wait=wait, workers=1)

    async def correct(self, corrections: Sequence[Correction]) -> None:
        """See `Minute`."""
        for each in corrections:
            if each.slot >= self._now_ms() // SLOT_MS - SLOTS:
                requests, tokens = self._slots.get(each.slot, (0, 0))
                self._slots[each.slot] = (requests + each.requests, tokens + each.tokens)

    async def close(self, seconds: float) -> None:
        """See `Minute`."""
        self._opens_ms = max(self._opens_ms, self._now_ms() + round(seconds * 1000))
