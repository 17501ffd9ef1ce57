"""How much one user may ask within any quarter of an hour, whichever way the requests come in.

The windows are the gateway's (`ai:window:{user:…}` in Redis), so that what was counted there is not counted again, and
what comes over the topics counts there too. What a service asks for itself (`service:…`) is nobody's window.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from fanzgpt_schemas.identity import user_key
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.lifecycle.batching import Batcher
from fanzgpt_workers.limits.redis_minute import script

MOST_AT_ONCE: Final = 256
NOBODYS: Final = "service:"
PREMIUM: Final = "premium"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowances:
    """At most so many requests of a user within any `seconds`; more where the request says `subscription: premium`."""

    seconds: int
    standard: int
    premium: int

    def of(self, request: GenerationRequested) -> int:
        """What the request's user may ask."""
        told = (request.metadata or {}).get("subscription")
        return self.premium if told == PREMIUM else self.standard


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    window: str
    request_id: str
    most: int


class UserWindows:
    """Implements `ports.Windows`: one script for any number of requests at once.

    While Redis is away nobody is refused: a cache is not the heart of the system.
    """

    def __init__(self, redis: Redis, allowances: Allowances, *, away: Callable[[Exception], None]) -> None:
        """The client belongs to whoever opened it; `away` is told when it does not answer."""
        self._allowances = allowances
        self._script = redis.register_script(script("users"))
        self._tell_away = away
        self._asked: Batcher[_Asked, float] = Batcher(self._admit, limit=MOST_AT_ONCE, away=away)

    async def refusal(self, request: GenerationRequested) -> str | None:
        """Why the request is one too many; None where it is not, and then it is counted."""
        if request.user_id.startswith(NOBODYS):
            return None
        most = self._allowances.of(request)
        window = f"ai:window:{{user:{user_key(request.user_id)}}}"
        wait = await self._asked.submit(_Asked(window=window, request_id=request.request_id, most=most))
        if not wait:
            return None
        return (
            f"Too many requests: at most {most} within {self._allowances.seconds} s; try again in {math.ceil(wait)} s"
        )

    async def _admit(self, asked: Sequence[_Asked]) -> Sequence[float]:
        arguments: list[Any] = [self._allowances.seconds]
        for each in asked:
            arguments += (each.request_id, each.most)
        try:
            waits: Any = await self._script(keys=[each.window for each in asked], args=arguments)
        except (RedisError, OSError) as error:
            self._tell_away(CacheUnavailable(f"Redis does not answer: {error}"))
            return [0.0] * len(asked)
        return [int(wait) / 1_000_000 for wait in waits]
