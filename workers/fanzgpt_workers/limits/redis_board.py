"""The board in Redis or Valkey, by its clock: three keys of a target, each of which ends by itself."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from fanzgpt_workers.core.breaker import Standing
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.limits.board import TRIPPED_AT_MOST
from fanzgpt_workers.limits.redis_minute import script

Answer = TypeVar("Answer")


class RedisBoard:
    """Implements `Board`. Losing every key means that every breaker is closed, and the next failures open it again."""

    def __init__(self, redis: Redis, *, accounts: Mapping[str, str]) -> None:
        """The client belongs to whoever opened it; `accounts`, by provider, keep those with other keys apart."""
        self._redis = redis
        self._accounts = accounts
        self._rest = redis.register_script(script("rest"))
        self._probe = redis.register_script(script("probe"))

    async def look(self, targets: Sequence[Target]) -> Sequence[Standing]:
        """See `Board`."""
        pipeline = self._redis.pipeline(transaction=False)
        for target in targets:
            rests, tripped, _ = self._keys(target)
            pipeline.execute_command("EXISTS", tripped)
            pipeline.execute_command("PTTL", rests)
        found = await _asked(pipeline.execute())
        return [
            Standing(tripped=bool(tripped), rests=max(0, rests) / 1000)
            for tripped, rests in zip(found[::2], found[1::2], strict=True)
        ]

    async def rest(self, target: Target, seconds: float) -> None:
        """See `Board`."""
        await _asked(self._rest(keys=self._keys(target), args=[_milliseconds(seconds)]))

    async def trip(self, target: Target, seconds: float) -> None:
        """See `Board`."""
        args = [_milliseconds(seconds), _milliseconds(TRIPPED_AT_MOST)]
        await _asked(self._rest(keys=self._keys(target), args=args))

    async def claim_probe(self, target: Target, seconds: float) -> bool:
        """See `Board`."""
        return bool(await _asked(self._probe(keys=self._keys(target), args=[_milliseconds(seconds)])))

    async def heal(self, target: Target) -> None:
        """See `Board`."""
        await _asked(self._redis.delete(*self._keys(target)))

    def _keys(self, target: Target) -> tuple[str, str, str]:
        # The braces keep a target's keys on one node of a cluster.
        name = f"ai:target:{{{self._accounts[target.provider]}/{target}}}"
        return f"{name}:rests", f"{name}:tripped", f"{name}:probe"


async def _asked(answer: Awaitable[Answer]) -> Answer:
    try:
        return await answer
    except (RedisError, OSError) as error:
        raise CacheUnavailable(f"Redis does not answer: {error}") from error


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
