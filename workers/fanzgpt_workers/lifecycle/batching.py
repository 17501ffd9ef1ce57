"""Many callers, few statements: what arrives while a flush is under way becomes the next flush."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from fanzgpt_workers.errors import Unavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0


class Batcher(Generic[Item, Answer]):
    """Gathers items into flushes without a timer: at once when idle, as large as they come when busy.

    Promises: items are flushed in the order they were submitted; each caller gets the answer to its own item; while
    the server is away the batch is repeated, with pauses, and nobody is answered; an error that is about the data is
    narrowed down by halving, so that it reaches the caller whose item it is and no other.

    With `while_wanted`, an item is left out of every further try once its future is done: its caller has gone.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        limit: int = 256,
        away: Callable[[Unavailable], None],
        while_wanted: bool = False,
    ) -> None:
        """`away` is told each time the server could not be reached."""
        self._while_wanted = while_wanted
        self._flush = flush
        self._limit = limit
        self._away = away
        self._pending: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._flushing: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Items submitted and not yet in a flush."""
        return len(self._pending)

    def submit(self, item: Item) -> asyncio.Future[Answer]:
        """Queue an item; the future is done once the flush that holds it is durable."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pending.append((item, future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_all())
        return future

    async def settle(self) -> None:
        """Wait until everything submitted so far is flushed."""
        while self._flushing is not None:
            await asyncio.wait([self._flushing])

    async def _flush_all(self) -> None:
        try:
            while self._pending:
                batch = [self._pending.popleft() for _ in range(min(self._limit, len(self._pending)))]
                await self._store(batch)
        finally:
            self._flushing = None

    async def _store(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        pause = FIRST_PAUSE_SECONDS
        while batch := self._still_to_do(batch):
            try:
                answers = await self._flush([item for item, _ in batch])
            except Unavailable as error:
                self._away(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001  # routed to the caller whose item it is
                await self._narrow(batch, error)
                return
            else:
                for (_, future), answer in zip(batch, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
                return

    def _still_to_do(
        self, batch: list[tuple[Item, asyncio.Future[Answer]]]
    ) -> list[tuple[Item, asyncio.Future[Answer]]]:
        return [each for each in batch if not each[1].done()] if self._while_wanted else batch

    async def _narrow(self, batch: list[tuple[Item, asyncio.Future[Answer]]], error: Exception) -> None:
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._store(batch[:middle])
            await self._store(batch[middle:])
        elif not batch[0][1].done():
            batch[0][1].set_exception(error)
