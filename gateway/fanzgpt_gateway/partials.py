"""Answers while they are made, as workers leave them in Redis: read for every watcher over one connection."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

BLOCK_MS: Final = 500  # below the client's own bound for an answer
PAUSE_SECONDS: Final = 0.02  # what comes within it is read together
AWAY_SECONDS: Final = 1.0
MOST_AT_ONCE: Final = 1_000
BEGINNING: Final = "0-0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A piece of an attempt's answer, and how many characters came before it. `id` is where to go on after it."""

    id: str
    attempt: int
    at: int
    text: str


@dataclass(eq=False, slots=True)
class Watcher:
    """Somebody who watches one answer."""

    key: str
    after: str
    steps: "asyncio.Queue[Step]" = field(default_factory=asyncio.Queue)

    async def next(self) -> Step:
        """The next step, once there is one."""
        return await self.steps.get()


class PartialReader:
    """Reads the steps of every answer that is watched; at best effort, for the ending holds the whole answer."""

    def __init__(self, redis: Redis | None) -> None:
        """The client belongs to whoever opened it; without one nobody is shown anything but the ending."""
        self._redis = redis
        self._watchers: dict[str, set[Watcher]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._waking: set[asyncio.Task[None]] = set()
        self._connection_id: int | None = None

    @contextmanager
    def watching(self, request_key: UUID, after: str | None) -> Iterator[Watcher]:
        """A watcher for the block, who is shown what came after the step of that id, or everything."""
        watcher = Watcher(f"ai:partial:{{{request_key}}}", after or BEGINNING)
        if self._redis is None:
            yield watcher
            return
        self._watchers.setdefault(watcher.key, set()).add(watcher)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(self._redis))
        else:
            self._wake(self._redis)
        try:
            yield watcher
        finally:
            of_key = self._watchers[watcher.key]
            of_key.discard(watcher)
            if not of_key:
                del self._watchers[watcher.key]

    async def step(self, request_key: UUID, step_id: str) -> Step | None:
        """A step by its id; None where it is not there any more, or nobody can say."""
        if self._redis is None:
            return None
        try:
            found: Any = await self._redis.xrange(f"ai:partial:{{{request_key}}}", step_id, step_id)
        except (RedisError, OSError):
            return None
        return _step(*found[0]) if found else None

    async def close(self) -> None:
        """Read no more."""
        tasks = [task for task in (self._reading, *self._waking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, redis: Redis) -> None:
        """Read for as long as somebody watches."""
        while self._watchers:
            try:
                async with redis.client() as connection:
                    self._connection_id = int(await connection.client_id())
                    while self._watchers:
                        self._hand_out(await self._next(connection))
                        await asyncio.sleep(PAUSE_SECONDS)
            except (RedisError, OSError) as error:
                log.warning("answers are not shown while they are made: %s", type(error).__name__)
                await asyncio.sleep(AWAY_SECONDS)
            finally:
                self._connection_id = None

    async def _next(self, connection: Redis) -> Any:
        """What is new of any answer that is watched; waits for it, or for somebody who begins to watch."""
        positions: dict[Any, Any] = {
            key: min((watcher.after for watcher in watchers), key=_order) for key, watchers in self._watchers.items()
        }
        return await connection.xread(positions, count=MOST_AT_ONCE, block=BLOCK_MS)

    def _hand_out(self, found: Any) -> None:
        answers = found.items() if isinstance(found, dict) else found or ()
        for key, entries in answers:
            flat = entries[0] if isinstance(found, dict) else entries
            for entry in flat:
                step = _step(*entry)
                for watcher in self._watchers.get(_text(key), ()):
                    if _order(step.id) > _order(watcher.after):
                        watcher.after = step.id
                        watcher.steps.put_nowait(step)

    def _wake(self, redis: Redis) -> None:
        """The connection waits for others' answers: let it look again."""

        async def unblock() -> None:
            try:
                if self._connection_id is not None:
                    await redis.client_unblock(self._connection_id)
            except (RedisError, OSError):
                log.debug("the reader looks again by itself")

        task = asyncio.create_task(unblock())
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)


def _step(step_id: Any, fields: Any) -> Step:
    told = {_text(name): _text(value) for name, value in fields.items()}
    return Step(id=_text(step_id), attempt=int(told["attempt"]), at=int(told["at"]), text=told["text"])


def _order(step_id: str) -> tuple[int, int]:
    milliseconds, _, number = step_id.partition("-")
    return int(milliseconds), int(number)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
