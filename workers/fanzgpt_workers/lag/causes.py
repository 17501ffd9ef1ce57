"""What requests wait for inside the generation workers: each tells it through Redis, and any process may read it.

Key: `ai:waiting:{group}`, a hash of worker -> JSON of `at` (seconds since 1970) and `waiting` (cause -> requests).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.ports import Clock

TELL_SECONDS: Final = 2.0
FRESH_SECONDS: Final = 15.0
_KEPT_SECONDS: Final = 60

Cause = TypeVar("Cause", bound=str)


class Causes:
    """One group's causes; at best effort, and nobody waits for it."""

    def __init__(self, redis: Redis, *, group: str, clock: Clock) -> None:
        """The client belongs to whoever opened it."""
        self._redis = redis
        self._key = f"ai:waiting:{{{group}}}"
        self._clock = clock

    async def tell(self, worker: str, waiting: Mapping[Cause, int]) -> None:
        """Put down what waits in this worker; raises CacheUnavailable."""
        said = orjson.dumps({"at": self._clock.now().timestamp(), "waiting": waiting})
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.execute_command("HSET", self._key, worker, said)
        pipeline.execute_command("EXPIRE", self._key, _KEPT_SECONDS)
        try:
            await pipeline.execute()
        except (RedisError, OSError) as error:
            raise CacheUnavailable(f"Redis does not answer: {error}") from error

    async def told(self) -> Mapping[str, int]:
        """Requests by what they wait for, in all workers that have told of it lately; raises CacheUnavailable."""
        try:
            said = await self._redis.hvals(self._key)
        except (RedisError, OSError) as error:
            raise CacheUnavailable(f"Redis does not answer: {error}") from error
        causes, oldest = Counter[str](), self._clock.now().timestamp() - FRESH_SECONDS
        for each in map(orjson.loads, said):
            if each["at"] >= oldest:
                causes.update(each["waiting"])
        return {cause: number for cause, number in sorted(causes.items()) if number}

    async def tell_regularly(
        self, worker: str, look: Callable[[], Mapping[Cause, int]], *, away: Callable[[Exception], None]
    ) -> None:
        """Tell until cancelled; `away` hears when Redis is."""
        while True:
            try:
                await self.tell(worker, look())
            except CacheUnavailable as error:
                away(error)
            await asyncio.sleep(TELL_SECONDS)
