"""Waits that a drain ends."""

import asyncio
from typing import Any, TypeVar

from fanzgpt_workers.errors import LetGo

Result = TypeVar("Result")


class Waits:
    """Whoever waits here leaves with LetGo when a drain begins; whoever comes after that waits again."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._futures: set[asyncio.Future[Any]] = set()

    def let_go(self) -> None:
        """A drain begins. A future that was waited for is done from now on: who works for it may see that and stop."""
        for future in self._futures:
            if not future.done():
                future.set_exception(LetGo("the process drains"))

    async def wait(self, future: asyncio.Future[Result]) -> Result:
        """The future's result; raises LetGo when a drain begins first."""
        self._futures.add(future)
        try:
            return await future
        finally:
            self._futures.discard(future)

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds; raises LetGo when a drain begins first."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _end, over)
        try:
            await self.wait(over)
        finally:
            timer.cancel()


def _end(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
