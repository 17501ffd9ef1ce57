"""A machine that a worker runs on: it can be killed or frozen at any of the worker's awaits on the outside world."""

import asyncio
from random import Random
from typing import Final

from tests.simulation.clock import VirtualLoop

FOREVER: Final = float("inf")
LONGEST_CROSSING: Final = 0.02


class Host:
    """What happens to a host happens at the edges: a call of a killed one never returns, of a frozen one late.

    Code that runs on after a kill can reach nobody any more, which is what being killed means to everybody else: so a
    kill at any instant is a crash at the await that the instant falls into, before its effect or after it.
    """

    def __init__(self, name: str, random: Random, loop: VirtualLoop) -> None:
        self.name = name
        self.is_dead = False
        self.hurt: list[tuple[float, float]] = []
        self._random = random
        self._loop = loop
        self._thawed = asyncio.Event()
        self._thawed.set()

    @property
    def is_frozen(self) -> bool:
        """Whether it is stopped for now."""
        return not self._thawed.is_set()

    def kill(self) -> None:
        """It is gone."""
        self.is_dead = True
        self.doubt()

    def freeze(self) -> None:
        """It stands still until `thaw`."""
        self._thawed.clear()
        self.doubt()

    def thaw(self) -> None:
        """It goes on where it was."""
        self._thawed.set()

    def doubt(self) -> None:
        """From now on it may not know what its group knows: calls under way may be made again by others."""
        if not self.hurt or self.hurt[-1][1] < FOREVER:
            self.hurt.append((self._loop.now, FOREVER))

    def falter(self) -> None:
        """In this instant it gives something back that still runs; what it begins afterwards has no such excuse."""
        if not self.is_in_doubt:
            self.hurt.append((self._loop.now, self._loop.now))

    def confirm(self) -> None:
        """Its group has just told it what it holds."""
        if self.hurt and self.hurt[-1][1] == FOREVER:
            self.hurt[-1] = (self.hurt[-1][0], self._loop.now)

    @property
    def is_in_doubt(self) -> bool:
        """Whether its group may have gone on without it."""
        return bool(self.hurt) and self.hurt[-1][1] == FOREVER

    def was_hurt(self, begin: float, end: float) -> bool:
        """Whether there was any doubt in the time between."""
        return any(first <= end and begin <= last for first, last in self.hurt)

    async def cross(self, *, at_least: float = 0.0) -> None:
        """One way over the network; where a kill or a freeze is felt."""
        if self._loop.is_over:
            raise asyncio.CancelledError
        await asyncio.sleep(at_least + self._random.random() * LONGEST_CROSSING)
        while not self._thawed.is_set():
            await self._thawed.wait()
        if self.is_dead:
            await asyncio.Event().wait()
