"""Who keeps answers, and who may call for one: the same suite on Valkey and on its twin in memory."""

import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from fanzgpt_workers.cache import keeper as keeping
from fanzgpt_workers.cache.keeper import Found, Keeper, Lease, MemoryKeeper, MemoryKept, Theirs, Yours
from fanzgpt_workers.cache.redis_keeper import RedisKeeper
from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.limits.redis_minute import open_redis

A, B = "ai:social-post:u-1:a", "ai:social-post:u-1:b"
MY_A, MY_B, THEIR_A, THEIR_B = Lease(A, "me/1"), Lease(B, "me/2"), Lease(A, "they/1"), Lease(B, "they/2")


@pytest.fixture(params=["redis", "memory"])
async def keeper(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Keeper]:
    """One with leases of a fifth of a second."""
    if request.param == "memory":
        monkeypatch.setattr(keeping, "LEASE_SECONDS", 0.2)
        yield MemoryKeeper(MemoryKept(time=time.monotonic), seconds=60)
        return
    redis = open_redis(request.getfixturevalue("redis_url"))
    yield RedisKeeper(redis, seconds=60, lease_seconds=0.2)
    await redis.aclose()


async def test_one_may_call_until_the_answer_is_kept(keeper: Keeper) -> None:
    assert await keeper.look([MY_A, MY_B]) == [Yours(), Yours()]
    assert await keeper.look([THEIR_B, THEIR_A]) == [Theirs(), Theirs()]
    assert await keeper.look([MY_A]) == [Yours()]
    await keeper.end([(MY_A, '{"post": "ä"}')])
    assert await keeper.look([THEIR_A, THEIR_B]) == [Found('{"post": "ä"}'), Theirs()]


async def test_a_lease_that_is_given_up_is_the_next_ones_and_only_its_holder_gives_it_up(keeper: Keeper) -> None:
    await keeper.look([MY_A])
    await keeper.end([(THEIR_A, "")])
    assert await keeper.look([THEIR_A]) == [Theirs()]
    await keeper.end([(MY_A, ""), (MY_B, "")])
    assert await keeper.look([THEIR_A]) == [Yours()]
    assert await keeper.look([MY_A]) == [Theirs()]


async def test_the_lease_of_a_dead_worker_ends_by_itself_and_one_that_is_held_does_not(keeper: Keeper) -> None:
    await keeper.look([MY_A, MY_B])
    until = time.monotonic() + 10
    while await keeper.look([THEIR_A]) != [Yours()]:
        await keeper.hold([MY_B])
        assert time.monotonic() < until, "the lease does not end"
    assert await keeper.look([THEIR_B]) == [Theirs()]
    await keeper.hold([MY_A])  # too late: it is another's
    assert await keeper.look([MY_A]) == [Theirs()]


async def test_answers_are_kept_for_as_long_as_it_was_said(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        await RedisKeeper(redis, seconds=3600).end([(MY_A, "{}")])
        assert 3590 < await redis.ttl(A) <= 3600
        assert await redis.get(A) == b"{}"


async def test_a_keeper_that_is_away_says_so() -> None:
    redis = open_redis("redis://127.0.0.1:1/0")
    with pytest.raises(CacheUnavailable):
        await RedisKeeper(redis, seconds=60).look([MY_A])
    await redis.aclose()
