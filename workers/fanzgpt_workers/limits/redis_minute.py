"""The window in Redis or Valkey, by its clock, shared by every worker: one script for any number of calls."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from fanzgpt_workers.core.load import DEVIATIONS, TOLERANCE, Limit, Load
from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.limits.minute import Correction, Grant, Told

ANSWER_SECONDS: Final = 1.0
_KEEP_MS: Final = 3_600_000
_LOAD: Final = "%d %d %d %d %d %d %d"


class RedisMinute:
    """Implements `Minute` for one account, provider and model; `worker` is this process among those that share it."""

    def __init__(
        self, redis: Redis, *, account: str, provider: str, model: str, worker: str, call_seconds: float = 60.0
    ) -> None:
        """The client belongs to whoever opened it; `account` keeps those apart who call with other keys.

        A call that nobody said was over counts as under way for `call_seconds`: its worker has died.
        """
        # The braces keep the keys on one node of a cluster.
        name = f"ai:limit:{{{account}/{provider}/{model}}}"
        self._keys = [f"{name}:{part}" for part in ("window", "opens", "workers", "waiting", "calls")]
        self._next = 1
        self._lease_ms = round(call_seconds * 1000)
        self._redis = redis
        self._worker = worker
        self._reserve = redis.register_script(script("reserve"))
        self._correct = redis.register_script(script("correct"))

    async def reserve(self, calls: Sequence[Load], limit: Limit) -> Grant:
        """See `Minute`."""
        try:
            answer: Any = await self._reserve(
                keys=self._keys,
                args=[
                    limit.requests,
                    limit.tokens,
                    limit.input_tokens,
                    limit.output_tokens,
                    limit.concurrent,
                    TOLERANCE,
                    DEVIATIONS,
                    self._lease_ms,
                    self._worker,
                    self._next,
                    *(_LOAD % call for call in calls),
                ],
            )
        except (RedisError, OSError) as error:
            raise CacheUnavailable(f"Redis does not answer: {error}") from error
        slot, granted, wait, workers = (int(each) for each in answer)
        first, self._next = self._next, self._next + granted
        return Grant(slot=slot, granted=granted, first=first, wait=wait / 1000, workers=workers)

    async def correct(self, corrections: Sequence[Correction], told: Told | None = None) -> None:
        """See `Minute`."""
        args = [
            f"{each.slot} {_LOAD % each.change} {'-' if each.over is None else f'{self._worker}/{each.over}'}"
            for each in corrections
        ]
        try:
            await self._correct(keys=[self._keys[0], self._keys[4]], args=["" if told is None else _said(told), *args])
        except (RedisError, OSError) as error:
            raise CacheUnavailable(f"Redis does not answer: {error}") from error

    async def close(self, seconds: float) -> None:
        """See `Minute`."""
        try:
            now, micros = await self._redis.time()
            opens = now * 1000 + micros // 1000 + round(seconds * 1000)
            held = int(await self._redis.get(self._keys[1]) or 0)
            if opens > held:
                await self._redis.set(self._keys[1], opens, px=min(_KEEP_MS, max(1, round(seconds * 1000))))
        except (RedisError, OSError) as error:
            raise CacheUnavailable(f"Redis does not answer: {error}") from error


def _said(told: Told) -> str:
    levels = (level or (-1, -1) for level in told.headroom)
    return f"{told.slot} {' '.join(f'{limit} {remaining}' for limit, remaining in levels)}"


def open_redis(url: str) -> Redis:
    """A client with a bound on every wait; connects on first use."""
    return Redis.from_url(
        url,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        client_name="fanzgpt-generation",
        # Once more, for a connection that the server closed while it was idle; who waits longer goes on without it.
        retry=Retry(NoBackoff(), 1),
    )


def script(name: str) -> str:
    """The text of one of this package's Lua scripts."""
    return files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
