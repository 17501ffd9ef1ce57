"""Virtual time: a loop whose clock jumps to the next thing that is due, so that hours cost nothing and chance is a seed."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

BEGIN = datetime(2026, 5, 1, tzinfo=UTC)


class Deadlock(Exception):
    """Nothing is due and nothing can become due."""


class _NeverWaits(selectors.DefaultSelector):
    """Instead of waiting for descriptors, lets the loop's time pass."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("every task waits for something that nobody will do")
        if timeout > 0:
            self.loop.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs what is ready in its order; when nothing is, time jumps. `is_over` once only the clearing away is left."""

    def __init__(self) -> None:
        selector = _NeverWaits()
        selector.loop = self
        self.now = 0.0
        self.is_over = False
        super().__init__(selector)

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self.now


class VirtualClock:
    """The wall clock on a virtual loop, which jumps by `offset` when it is set."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.offset = timedelta()

    def now(self) -> datetime:
        """The present instant."""
        return BEGIN + timedelta(seconds=self._loop.now) + self.offset


def run(main: "Coroutine[Any, Any, T]", loop: VirtualLoop) -> T:
    """Run to the end of `main`; what others still wait for is dropped."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        loop.is_over = True
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left, timeout=1))
        asyncio.set_event_loop(None)
        loop.close()
