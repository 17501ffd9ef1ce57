"""What all workers know of the models they call: which are down, and until when each wants to be left alone."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from fanzgpt_workers.core.breaker import Standing
from fanzgpt_workers.core.routing import Target

TRIPPED_AT_MOST: Final = 3600.0
"""Seconds after which a breaker that nobody probed is forgotten."""


class Board(Protocol):
    """Raises CacheUnavailable where its keeper is away. Seconds are the keeper's own."""

    async def look(self, targets: Sequence[Target]) -> Sequence[Standing]:
        """How each stands."""
        ...

    async def rest(self, target: Target, seconds: float) -> None:
        """Nobody calls it for so long; never shortens a rest."""
        ...

    async def trip(self, target: Target, seconds: float) -> None:
        """It is down, and may be probed after so long."""
        ...

    async def claim_probe(self, target: Target, seconds: float) -> bool:
        """Whether this worker may make the one call that probes what is down and does not rest.

        Nobody else may for so long, or until the probe has ended.
        """
        ...

    async def heal(self, target: Target) -> None:
        """It answers again."""
        ...


class MemoryBoard:
    """One process's own; the twin of the one in Redis, and what stands in for it while that is away."""

    def __init__(self, *, time: Callable[[], float]) -> None:
        """`time` in seconds, never falling."""
        self._time = time
        self._rests: dict[Target, float] = {}
        self._tripped: dict[Target, float] = {}
        self._probes: dict[Target, float] = {}

    async def look(self, targets: Sequence[Target]) -> Sequence[Standing]:
        """See `Board`."""
        now = self._time()
        return [
            Standing(tripped=self._tripped.get(target, now) > now, rests=max(0.0, self._rests.get(target, now) - now))
            for target in targets
        ]

    async def rest(self, target: Target, seconds: float) -> None:
        """See `Board`."""
        self._rests[target] = max(self._rests.get(target, 0.0), self._time() + seconds)

    async def trip(self, target: Target, seconds: float) -> None:
        """See `Board`."""
        self._tripped[target] = self._time() + TRIPPED_AT_MOST
        self._probes.pop(target, None)
        await self.rest(target, seconds)

    async def claim_probe(self, target: Target, seconds: float) -> bool:
        """See `Board`."""
        now = self._time()
        (standing,) = await self.look([target])
        if not standing.tripped or standing.rests > 0 or self._probes.get(target, now) > now:
            return False
        self._probes[target] = now + seconds
        return True

    async def heal(self, target: Target) -> None:
        """See `Board`."""
        for told in (self._rests, self._tripped, self._probes):
            told.pop(target, None)
