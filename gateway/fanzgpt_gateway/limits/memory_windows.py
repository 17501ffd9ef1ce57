"""The windows of one process: the twin that the shared ones are held against, and what is left when they are away."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from fanzgpt_gateway.limits.windows import REPEATS_PER_REQUEST, Admission, Allowance

SWEEP_EVERY: Final = 10_000


@dataclass(slots=True)
class _Window:
    """When each request was admitted, oldest first; how many were repeated since."""

    admitted_at: dict[str, float] = field(default_factory=dict)
    repeats: int = 0
    repeats_until: float = 0.0
    empty_at: float = 0.0


class MemoryWindows:
    """Exact within this process. Memory: what is in the windows, swept now and then."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """`clock` gives seconds, from whenever."""
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._until_sweep = SWEEP_EVERY

    async def admit(self, subject: str, request_id: str, allowance: Allowance) -> Admission:
        """Count a request, unless it was counted before or is one too many."""
        now = self._clock()
        self._sweep_at_times(now)
        window = self._windows.setdefault(subject, _Window())
        self._forget(window, now - allowance.seconds)
        if request_id in window.admitted_at:
            if now >= window.repeats_until:
                window.repeats, window.repeats_until = 0, now + allowance.seconds
            window.repeats += 1
            admitted = window.repeats <= allowance.requests * REPEATS_PER_REQUEST
        else:
            admitted = len(window.admitted_at) < allowance.requests
            if admitted:
                window.admitted_at[request_id] = now
        window.empty_at = max(window.empty_at, now + allowance.seconds)
        oldest = next(iter(window.admitted_at.values()), now)
        return Admission(
            admitted=admitted,
            limit=allowance.requests,
            window_seconds=allowance.seconds,
            remaining=max(0, allowance.requests - len(window.admitted_at)),
            reset_seconds=max(1, math.ceil(oldest + allowance.seconds - now)),
        )

    async def counted(self, subject: str, request_id: str, allowance: Allowance) -> bool:
        """Whether the id is in the present window."""
        at = self._windows.get(subject, _Window()).admitted_at.get(request_id)
        return at is not None and at > self._clock() - allowance.seconds

    @staticmethod
    def _forget(window: _Window, until: float) -> None:
        while window.admitted_at:
            oldest = next(iter(window.admitted_at))
            if window.admitted_at[oldest] > until:
                return
            del window.admitted_at[oldest]

    def _sweep_at_times(self, now: float) -> None:
        self._until_sweep -= 1
        if self._until_sweep <= 0:
            self._until_sweep = SWEEP_EVERY
            self._windows = {subject: window for subject, window in self._windows.items() if window.empty_at > now}
