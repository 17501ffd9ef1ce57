"""Virtual time: a loop whose clock jumps to the next thing that is due, so that hours cost nothing and chance is a seed."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

BEGIN = datetime(2026, 5, 1, tzinfo=UTC)
MOST_TURNS_AT_ONCE = 20_000


class Standstill(Exception):
    """Time can no longer pass: nothing is due, or what is ready never ends."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is ready, in an order that `random` chooses where one is given; when nothing is, time jumps.

    No sockets, no threads, no signals: whatever a task waits for is another task or a time. `is_over` is set once only
    the clearing away is left.
    """

    def __init__(self, random: Random | None = None) -> None:
        super().__init__()
        self.now = 0.0
        self.is_over = False
        self._random = random
        self._turns = 0
        self._due: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._handles: list[asyncio.Handle] = []
        self._number = count()

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self.now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        """Run it in the next turn."""
        handle = asyncio.Handle(callback, args, self, context)
        self._handles.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run it at that time; of two at one time the earlier asked for."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._due, (when, next(self._number), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run it after so many seconds."""
        return self.call_at(self.now + delay, callback, *args, context=context)

    def _run_once(self) -> None:
        due = self._due
        if not self._handles:
            while due and due[0][2]._cancelled:
                heappop(due)
            if not due:
                raise Standstill("every task waits for something that nobody will do")
            self.now, self._turns = max(self.now, due[0][0]), 0
        while due and due[0][0] <= self.now:
            self._handles.append(heappop(due)[2])
        self._turns += 1
        if self._turns > MOST_TURNS_AT_ONCE:
            raise Standstill(f"{MOST_TURNS_AT_ONCE} turns, and no time has passed")
        handles, self._handles = self._handles, []
        if self._random is not None and len(handles) > 1:
            self._random.shuffle(handles)
        for handle in handles:
            if not handle._cancelled:
                handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to count: it is passed over when its time comes."""


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
