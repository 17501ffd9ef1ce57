"""Before a provider whose limits nobody knows: as many calls at once as it turns out to bear."""

import asyncio
from collections import deque

from fanzgpt_workers.core.attempts import Outcome
from fanzgpt_workers.core.concurrency import Window
from fanzgpt_workers.errors import LetGo


class Adaptive:
    """One provider and model, as this worker finds it; calls go through in the order they came.

    Each worker finds its own share out, as the senders on one line do: all of them give way when it is too much.
    """

    def __init__(self) -> None:
        """Without a bound, until a call is refused."""
        self._window = Window()
        self._waiting: deque[asyncio.Future[int]] = deque()

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return sum(not future.done() for future in self._waiting)

    async def enter(self) -> int:
        """Return the call's flight once it may begin; raises LetGo when told to."""
        if not self._waiting and self._window.has_room:
            return self._window.begun()
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.over(future.result(), "cancelled")
            raise

    def over(self, flight: int, outcome: Outcome) -> None:
        """A call that was let through has ended; `cancelled` where it was not made."""
        self._window.ended(flight, outcome)
        while self._waiting and (self._waiting[0].done() or self._window.has_room):
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(self._window.begun())

    def let_go(self) -> None:
        """Whoever waits gets LetGo."""
        for future in self._waiting:
            if not future.done():
                future.set_exception(LetGo("the process drains"))
