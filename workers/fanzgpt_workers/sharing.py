"""The answers that workers share, wired from the settings."""

import time

from redis.asyncio import Redis

from fanzgpt_workers.cache.flights import CacheObserver, Flights
from fanzgpt_workers.cache.redis_keeper import RedisKeeper
from fanzgpt_workers.core.caching import CachePolicy
from fanzgpt_workers.lifecycle.calling import Caller
from fanzgpt_workers.lifecycle.sharing import Calling, SharingCaller
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.settings import CacheSettings


def shared_answers(
    settings: CacheSettings, redis: Redis | None, *, worker: str, observer: CacheObserver
) -> Flights | None:
    """Answers kept in Redis; None where there is none, or where nothing is to be kept."""
    if redis is None or not settings.seconds or not settings.types:
        return None
    keeper = RedisKeeper(redis, seconds=settings.seconds)
    return Flights(keeper, worker=worker, time=time.monotonic, observer=observer)


def sharing(caller: Caller, answers: Flights | None, settings: CacheSettings, *, clock: Clock) -> Calling:
    """The caller, asking first whether somebody has the answer."""
    if answers is None:
        return caller
    return SharingCaller(caller, answers=answers, policy=CachePolicy(types=frozenset(settings.types)), clock=clock)
