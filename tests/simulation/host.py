"""A machine that a worker runs on: it can be killed or frozen at any of the worker's awaits on the outside world."""

import asyncio
from random import Random

from tests.simulation.clock import VirtualLoop


class Host:
    """What happens to a host happens at the edges: a call of a killed one never returns, of a frozen one late.

    Code that runs on after a kill can reach nobody any more, which is what being killed means to everybody else.
    """

    def __init__(self, name: str, random: Random, loop: VirtualLoop) -> None:
        self.name = name
        self.is_dead = False
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

    def freeze(self) -> None:
        """It stands still until `thaw`."""
        self._thawed.clear()

    def thaw(self) -> None:
        """It goes on where it was."""
        self._thawed.set()

    async def cross(self, most_seconds: float = 0.02) -> None:
        """One way over the network; where a kill or a freeze is felt."""
        if self._loop.is_over:
            raise asyncio.CancelledError
        await asyncio.sleep(self._random.random() * most_seconds)
        while not self._thawed.is_set():
            await self._thawed.wait()
        if self.is_dead:
            await asyncio.Event().wait()
