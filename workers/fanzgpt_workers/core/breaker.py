"""When a model at a provider counts as down: from how its last calls ended."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fanzgpt_workers.core.attempts import Outcome

FAILURES: Final[frozenset[Outcome]] = frozenset(
    {"overloaded", "unreachable", "timeout", "cut", "server-error", "malformed"}
)
"""Ends that speak against the provider. A limit (429), a refused request, a wrong key or model name do not: the next
call may be another, and a breaker would only hide what a person has to mend."""
SILENT: Final[frozenset[Outcome]] = frozenset({"cancelled", "unknown"})
"""Ends that say nothing about the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens, and for how many seconds it stays so before one call probes.

    It looks at the last `calls` calls that are no older than `window` seconds, and opens when at least `least` of them
    failed and these are at least `share` of all. Looking at a number of calls finds a dead provider after as many
    wasted calls at any rate; at a low rate the age keeps yesterday's failures out.
    """

    calls: int = 40
    least: int = 10
    share: float = 0.5
    window: float = 60.0
    probe_after: float = 5.0


class ErrorRate:
    """How the last calls of one target ended; every operation is O(1) amortised."""

    __slots__ = ("_ends", "_failed", "_policy")

    def __init__(self, policy: BreakerPolicy) -> None:
        """Nothing has ended yet."""
        self._policy = policy
        self._ends: deque[tuple[float, bool]] = deque()
        self._failed = 0

    def ended(self, outcome: Outcome, now: float) -> bool:
        """Take down how a call ended; whether the breaker opens by it. `now` in seconds, never falling."""
        if outcome in SILENT:
            return False
        failed = outcome in FAILURES
        self._ends.append((now, failed))
        self._failed += failed
        oldest = now - self._policy.window
        while len(self._ends) > self._policy.calls or self._ends[0][0] < oldest:
            self._failed -= self._ends.popleft()[1]
        return failed and self._failed >= self._policy.least and self._failed >= self._policy.share * len(self._ends)

    def forget(self) -> None:
        """Begin anew: the breaker has opened or closed."""
        self._ends.clear()
        self._failed = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a target stands. `tripped`: its breaker is open. `rests`: seconds in which nobody may call it.

    A target that rests without being tripped has asked for it (Retry-After). One that is tripped and rests no longer
    may be probed, by one call.
    """

    tripped: bool
    rests: float

    @property
    def is_open_to_all(self) -> bool:
        """Whether any call may be made."""
        return not self.tripped and self.rests <= 0


WELL: Final = Standing(tripped=False, rests=0.0)


def first_callable(standings: Sequence[Standing]) -> int | None:
    """The place in a fallback chain that a call goes to; None when it has to wait.

    The first that anybody may call. One that only rests is waited for: its limit is no failure, and the next in the
    chain may cost more. A tripped one is passed over.
    """
    for place, standing in enumerate(standings):
        if standing.is_open_to_all:
            return place
        if not standing.tripped:
            return None
    return None
