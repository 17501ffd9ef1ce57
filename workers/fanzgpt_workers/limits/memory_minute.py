"""A window of one process's own."""

from collections.abc import Sequence
from typing import Final, Protocol

from fanzgpt_workers.core.headroom import Level
from fanzgpt_workers.core.load import NOTHING, UNLIMITED, Limit, Load
from fanzgpt_workers.limits.minute import SECONDS, SLOT_MS, SLOTS, Correction, Grant, Told

_LOOK_SECONDS: Final = 0.2


class Now(Protocol):
    """A clock in milliseconds."""

    def __call__(self) -> int:
        """The present."""
        ...


class MemoryMinute:
    """Implements `Minute`: the twin of the one in Redis, and what stands in for it while that is away."""

    def __init__(self, *, now_ms: Now, call_seconds: float = 60.0) -> None:
        """`now_ms` is the time in milliseconds; for `call_seconds` calls last at most."""
        self._now_ms = now_ms
        self._call_ms = round(call_seconds * 1000)
        self._slots: dict[int, Load] = {}
        self._held = NOTHING
        self._oldest = now_ms() // SLOT_MS - SLOTS
        self._calls: dict[int, int] = {}
        self._next = 1
        self._opens_ms = 0
        self._others: tuple[int, Limit, tuple[int, int, int, int]] | None = None

    async def reserve(self, calls: Sequence[Load], limit: Limit) -> Grant:
        """See `Minute`."""
        now_ms, first = self._now_ms(), self._next
        now = now_ms // SLOT_MS
        if self._opens_ms > now_ms:
            wait = (self._opens_ms - now_ms) / 1000
            return Grant(slot=now, granted=0, first=first, wait=wait, workers=1)
        self._forget(now_ms)
        limit = self._left(limit, now_ms)
        for granted, call in enumerate(calls):
            wanted = self._held.plus(call)
            if (wanted.requests > 1 and not limit.admits(wanted)) or len(self._calls) >= limit.concurrent:
                wait = _LOOK_SECONDS if limit.admits(wanted) else self._until(wanted, limit)
                return Grant(slot=now, granted=granted, first=first, wait=wait, workers=1)
            self._change(now, call)
            if limit.concurrent < UNLIMITED:
                self._calls[self._next] = now_ms + self._call_ms
            self._next += 1
        return Grant(slot=now, granted=len(calls), first=first, wait=0.0, workers=1)

    def note(self, calls: Sequence[Load]) -> None:
        """Take in calls that another window has let through."""
        now_ms = self._now_ms()
        self._forget(now_ms)
        for call in calls:
            self._change(now_ms // SLOT_MS, call)

    async def correct(self, corrections: Sequence[Correction], told: Told | None = None) -> None:
        """See `Minute`."""
        now_ms = self._now_ms()
        for each in corrections:
            if each.slot >= self._oldest:
                self._change(each.slot, each.change)
            if each.over is not None:
                self._calls.pop(each.over, None)
        if told is not None:
            self._hear(told, now_ms)

    async def close(self, seconds: float) -> None:
        """See `Minute`."""
        self._opens_ms = max(self._opens_ms, self._now_ms() + round(seconds * 1000))

    def _forget(self, now_ms: int) -> None:
        oldest = now_ms // SLOT_MS - SLOTS
        if self._slots and self._oldest < oldest:
            for slot in [slot for slot in self._slots if slot < oldest]:
                self._held = self._held.minus(self._slots.pop(slot))
        self._oldest = oldest
        for call in [call for call, until in self._calls.items() if until <= now_ms]:
            del self._calls[call]

    def _change(self, slot: int, change: Load) -> None:
        self._slots[slot] = self._slots.get(slot, NOTHING).plus(change)
        self._held = self._held.plus(change)

    def _hear(self, told: Told, now_ms: int) -> None:
        own, taken = self._held, told.headroom
        for slot, load in self._slots.items():
            if slot > told.slot:
                own = own.minus(load)
        used = (
            _beyond(taken.requests, own.requests),
            _beyond(taken.tokens, own.input + own.output),
            _beyond(taken.input_tokens, own.input),
            _beyond(taken.output_tokens, own.output),
        )
        self._others = (now_ms, told.headroom.limit(), used)

    def _left(self, limit: Limit, now_ms: int) -> Limit:
        """What others leave of it. What they use leaves the provider's bucket as it fills again."""
        if self._others is None:
            return limit
        at, told, (requests, tokens, input_tokens, output_tokens) = self._others
        minutes = (now_ms - at) / (SECONDS * 1000)
        if minutes >= 1:
            return limit

        def left(ours: int, theirs: int, used: int) -> int:
            return min(ours, theirs) - max(0, round(used - minutes * theirs))

        return Limit(
            requests=left(limit.requests, told.requests, requests),
            tokens=left(limit.tokens, told.tokens, tokens),
            input_tokens=left(limit.input_tokens, told.input_tokens, input_tokens),
            output_tokens=left(limit.output_tokens, told.output_tokens, output_tokens),
            concurrent=limit.concurrent,
        )

    def _until(self, wanted: Load, limit: Limit) -> float:
        """Seconds until so many slots have left that what is wanted has room."""
        for slot, load in sorted(self._slots.items()):
            wanted = wanted.minus(load)
            if wanted.requests <= 1 or limit.admits(wanted):
                return max(20, (slot + SLOTS + 1) * SLOT_MS - self._now_ms()) / 1000
        return 1.0


def _beyond(level: Level | None, ours: int) -> int:
    """What is gone from a limit that we have not taken."""
    return 0 if level is None else max(0, level.limit - level.remaining - ours)
