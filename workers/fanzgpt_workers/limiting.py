"""What calls wait for, wired from the settings: the providers' limits, shared through Redis where there is one."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Final

from pydantic import SecretStr
from redis.asyncio import Redis

from fanzgpt_workers.core.breaker import BreakerPolicy
from fanzgpt_workers.core.load import Limit
from fanzgpt_workers.core.routing import STAND_IN, Target
from fanzgpt_workers.limits.board import MemoryBoard
from fanzgpt_workers.limits.breakers import BreakerObserver, Breakers
from fanzgpt_workers.limits.gate import Known
from fanzgpt_workers.limits.memory_minute import MemoryMinute
from fanzgpt_workers.limits.minute import Minute
from fanzgpt_workers.limits.provider_limits import ProviderLimits
from fanzgpt_workers.limits.redis_board import RedisBoard
from fanzgpt_workers.limits.redis_minute import RedisMinute, open_redis
from fanzgpt_workers.settings import ProviderSettings, RedisSettings

PROBE_MARGIN_SECONDS: Final = 10.0
"""For the probe's place in its limits and in the ledger."""


@asynccontextmanager
async def open_shared(settings: RedisSettings) -> AsyncIterator[Redis | None]:
    """The Redis that workers share, for the block; None where none is set up. Connects on first use."""
    if settings.url is None:
        yield None
        return
    redis = open_redis(settings.url.get_secret_value())
    try:
        yield redis
    finally:
        await redis.aclose()


def provider_limits(
    ai: ProviderSettings, redis: Redis | None, *, worker: str, away: Callable[[Exception], None]
) -> ProviderLimits:
    """Limits as stated; else a new account's, for providers at their makers' addresses; else none that is known."""
    common = Limit(requests=ai.requests_per_minute, tokens=ai.tokens_per_minute)
    stated = bool({"requests_per_minute", "tokens_per_minute"} & ai.model_fields_set)
    own_address = {"openai": ai.openai_base_url, "anthropic": ai.anthropic_base_url}
    known_as, call_seconds = accounts(ai), ai.attempt_timeout_seconds + PROBE_MARGIN_SECONDS

    def limit_of(target: Target) -> Known | None:
        if target.provider == STAND_IN:
            return None
        for key in ((target.provider, target.model), (target.provider, None)):
            if key in ai.rate_limits:
                return Known(ai.rate_limits[key], stated=True)
        return Known(common, stated=stated) if stated or own_address[target.provider] is None else None

    def shared(target: Target) -> Minute:
        if redis is None:
            return own()
        return RedisMinute(
            redis,
            account=known_as[target.provider],
            provider=target.provider,
            model=target.model,
            worker=worker,
            call_seconds=call_seconds,
        )

    def own() -> MemoryMinute:
        return MemoryMinute(now_ms=_now_ms, call_seconds=call_seconds)

    return ProviderLimits(limit_of, shared=shared, own=own, away=away)


def breakers(ai: ProviderSettings, redis: Redis | None, *, observer: BreakerObserver) -> Breakers:
    """A breaker for each model of each provider, opened and closed by all workers together."""
    board = MemoryBoard(time=time.monotonic) if redis is None else RedisBoard(redis, accounts=accounts(ai))
    return Breakers(
        board,
        policy=BreakerPolicy(probe_after=ai.breaker_probe_seconds),
        probe_seconds=ai.attempt_timeout_seconds + PROBE_MARGIN_SECONDS,
        time=time.monotonic,
        observer=observer,
    )


def accounts(ai: ProviderSettings) -> dict[str, str]:
    """By provider a name for the key and the address: who calls with the same shares limits and breakers."""
    made_of: dict[str, tuple[str | None, SecretStr | None]] = {
        STAND_IN: (None, None),
        "openai": (ai.openai_base_url, ai.openai_api_key),
        "anthropic": (ai.anthropic_base_url, ai.anthropic_api_key),
    }
    return {
        provider: blake2b(
            f"{address or ''}\n{key.get_secret_value() if key else ''}".encode(), digest_size=8
        ).hexdigest()
        for provider, (address, key) in made_of.items()
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
