"""A window of one process's own."""

from collections.abc import Sequence
from typing import Protocol

from fanzgpt_workers.core.load import NOTHING, Limit, Load
from fanzgpt_workers.limits.minute import SLOT_MS, SLOTS, Correction, Grant


class Now(Protocol):
    """A clock in milliseconds."""

    def __call__(self) -> int:
        """The present."""
        ...


class MemoryMinute:
    """Implements `Minute`: the twin of the one in Redis, and what stands in for it while that is away."""

    def __init__(self, *, now_ms: Now) -> None:
        """`now_ms` is the time in milliseconds."""
        self._now_ms = now_ms
        self._slots: dict[int, Load] = {}
        self._opens_ms = 0

    async def reserve(self, calls: Sequence[Load], limit: Limit) -> Grant:
        """See `Minute`."""
        now_ms = self._now_ms()
        now = now_ms // SLOT_MS
        if self._opens_ms > now_ms:
            return Grant(slot=now, granted=0, wait=(self._opens_ms - now_ms) / 1000, workers=1)
        for slot in [slot for slot in self._slots if slot < now - SLOTS]:
            del self._slots[slot]
        held, before = self._sum(), self._slots.get(now, NOTHING)
        for granted, call in enumerate(calls):
            if held.requests > 0 and not limit.admits(held.plus(call)):
                wait = self._until(held.plus(call), limit)
                return Grant(slot=now, granted=granted, wait=wait, workers=1)
            held, before = held.plus(call), before.plus(call)
            self._slots[now] = before
        return Grant(slot=now, granted=len(calls), wait=0.0, workers=1)

    async def correct(self, corrections: Sequence[Correction]) -> None:
        """See `Minute`."""
        oldest = self._now_ms() // SLOT_MS - SLOTS
        for each in corrections:
            if each.slot >= oldest:
                self._slots[each.slot] = self._slots.get(each.slot, NOTHING).plus(each.change)

    async def close(self, seconds: float) -> None:
        """See `Minute`."""
        self._opens_ms = max(self._opens_ms, self._now_ms() + round(seconds * 1000))

    def _sum(self) -> Load:
        held = NOTHING
        for each in self._slots.values():
            held = held.plus(each)
        return held

    def _until(self, wanted: Load, limit: Limit) -> float:
        """Seconds until so many slots have left that what is wanted has room."""
        for slot, load in sorted(self._slots.items()):
            wanted = wanted.minus(load)
            if wanted.requests <= 1 or limit.admits(wanted):
                return max(20, (slot + SLOTS + 1) * SLOT_MS - self._now_ms()) / 1000
        return 1.0
