"""How a process ends: at a signal, drained and within its time."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from fanzgpt_workers.observability.standstills import where_tasks_stand

CLOSING_SECONDS: Final = 8.0  # beyond the drain; together they stay below the grace time of docker-compose.yml
LEFT_EARLY: Final = 3  # as for every command: a server is away


class Process(Protocol):
    """What runs until it is told to stop."""

    async def run(self) -> None:
        """Work until `stop`, then drain."""
        ...

    async def joined(self) -> None:
        """Return once it takes part in the work."""
        ...

    async def ending(self) -> None:
        """Return once it has begun to end: told to, or because something broke."""
        ...

    def membership(self) -> tuple[bool, str]:
        """Whether it takes part, and how, in words."""
        ...

    def still_seconds(self) -> float:
        """How long its loop has not turned."""
        ...

    def stop(self) -> None:
        """Ask it to end; idempotent."""
        ...


class Signals:
    """SIGTERM and SIGINT: what they end at present, and whether one has come."""

    def __init__(self) -> None:
        """Hear them from now on; nothing ends yet. On the loop's own thread."""
        self.came = False
        self._act: Callable[[], object] = bool
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._hear)

    def lead_to(self, act: Callable[[], object]) -> None:
        """End this from now on; at once where a signal has come already."""
        self._act = act
        if self.came:
            act()

    def _hear(self) -> None:
        self.came = True
        self._act()


async def run_and_tell(
    process: Process, *, ready: Callable[[], None], late: Callable[[], None], within: float
) -> asyncio.TimerHandle:
    """Run it; tell `ready` once it takes part, and `late` where its end, whatever began it, takes longer than `within`.

    A server that answers nobody holds its clients for minutes, also while they close: the bound that is returned goes
    on until it is cancelled.
    """

    async def bound() -> asyncio.TimerHandle:
        await process.ending()
        return asyncio.get_running_loop().call_later(within, late)

    joining, bounding = asyncio.create_task(process.joined()), asyncio.create_task(bound())
    joining.add_done_callback(lambda task: None if task.cancelled() else ready())
    try:
        await process.run()
    finally:
        joining.cancel()
        await bounding
    return bounding.result()


def leave(within: float, log: FilteringBoundLogger) -> None:
    """Exit with 3: the end has taken longer than it may."""
    # What a kill may not lose is not lost here either: rows, offsets and endings are where they were promised to be.
    log.error("left before everything was closed", seconds=within, stood_at=list(where_tasks_stand()))
    logging.shutdown()
    os._exit(LEFT_EARLY)
