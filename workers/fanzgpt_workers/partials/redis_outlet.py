"""Steps in Redis or Valkey: a stream for each request, which any gateway reads from wherever its client left off.

Key: `ai:partial:{request key}`. Fields of an entry: `attempt`, `at`, `text`. A stream is bounded in length, and gone
ten minutes after its last entry.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.partials.showing import Step

KEPT_SECONDS: Final = 600
MOST_STEPS: Final = 10_000
"""A worker's longest attempt is two minutes, of 3,000 steps."""


class RedisOutlet:
    """Implements `Outlet`: one round trip for any number of steps."""

    def __init__(self, redis: Redis) -> None:
        """The client belongs to whoever opened it."""
        self._redis = redis

    async def show(self, steps: Sequence[Step]) -> None:
        """See `Outlet`."""
        pipeline = self._redis.pipeline(transaction=False)
        for step in steps:
            key = partial_key(step.request_key)
            entry = ("attempt", step.attempt, "at", step.at, "text", step.text)
            pipeline.execute_command("XADD", key, "MAXLEN", "~", MOST_STEPS, "*", *entry)
            pipeline.execute_command("EXPIRE", key, KEPT_SECONDS)
        try:
            await pipeline.execute()
        except (RedisError, OSError) as error:
            raise CacheUnavailable(f"Redis does not answer: {error}") from error


def partial_key(request_key: UUID) -> str:
    """Where the steps of a request are."""
    return f"ai:partial:{{{request_key}}}"
