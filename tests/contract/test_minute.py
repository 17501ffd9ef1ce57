"""A provider's sliding minute: the same suite on Valkey and on its twin in memory."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.limits.minute import SECONDS, Correction, Limit, MemoryMinute, Minute
from fanzgpt_workers.limits.redis_minute import RedisMinute, open_redis

LIMIT = Limit(requests=5, tokens=1_000)


@dataclass(frozen=True, slots=True)
class Subject:
    """A window, and another worker's view of it."""

    mine: Minute
    others: Minute


@pytest.fixture(params=["redis", "memory"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        minute = MemoryMinute(now_ms=now_ms)
        yield Subject(minute, minute)
        return
    redis = open_redis(request.getfixturevalue("redis_url"))
    model = f"model-{uuid4()}"
    yield Subject(
        *(RedisMinute(redis, account="a", provider="openai", model=model, worker=worker) for worker in ("a", "b"))
    )
    await redis.aclose()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_calls_go_as_long_as_there_is_room_for_requests_and_tokens(subject: Subject) -> None:
    first = await subject.mine.reserve([100, 100], LIMIT)
    assert (first.granted, first.wait) == (2, 0)
    second = await subject.others.reserve([300, 600, 1], LIMIT)
    assert second.granted == 1  # the next would be the 1,100th token, and nobody overtakes it
    assert SECONDS - 2 <= second.wait <= SECONDS + 2
    await subject.others.reserve([], LIMIT)  # it waits no longer
    third = await subject.mine.reserve([1, 1, 1, 1], LIMIT)
    assert third.granted == 2  # the fifth request of five
    assert (await subject.mine.reserve([1], LIMIT)).granted == 0


async def test_the_truth_takes_the_place_of_estimates(subject: Subject) -> None:
    grant = await subject.mine.reserve([500, 500], LIMIT)
    assert (await subject.mine.reserve([500], LIMIT)).granted == 0
    assert (await subject.mine.reserve([], LIMIT)).granted == 0  # it waits no longer
    taken = Correction(slot=grant.slot, requests=0, tokens=-400)
    refused = Correction(slot=grant.slot, requests=-1, tokens=-500)
    await subject.others.correct([taken, refused])
    again = await subject.others.reserve([900, 1], LIMIT)
    assert again.granted == 1
    await subject.mine.correct([Correction(slot=again.slot, requests=0, tokens=500)])
    assert (await subject.mine.reserve([1], LIMIT)).granted == 0
    await subject.mine.correct([Correction(slot=1, requests=-9, tokens=-9_000)])  # has long left the window
    assert (await subject.mine.reserve([1], LIMIT)).granted == 0


async def test_a_call_larger_than_the_limit_goes_alone(subject: Subject) -> None:
    assert (await subject.mine.reserve([5_000, 1], LIMIT)).granted == 1
    assert (await subject.mine.reserve([1], LIMIT)).granted == 0


async def test_a_closed_window_grants_nothing_to_anybody_until_it_opens(subject: Subject) -> None:
    await subject.mine.close(30)
    await subject.others.close(5)  # sooner than is said already
    grant = await subject.others.reserve([1], LIMIT)
    assert grant.granted == 0
    assert 29 <= grant.wait <= 30


async def test_workers_that_share_a_limit_know_how_many_they_are(redis_url: str) -> None:
    redis, model = open_redis(redis_url), f"model-{uuid4()}"
    seen = [
        (await RedisMinute(redis, account="a", provider="p", model=model, worker=str(n)).reserve([1], LIMIT)).workers
        for n in range(3)
    ]
    await redis.aclose()
    assert seen == [1, 2, 3]


async def test_a_worker_that_waits_with_a_large_call_is_not_overtaken_by_small_ones(redis_url: str) -> None:
    redis, model = open_redis(redis_url), f"model-{uuid4()}"
    small, large = (RedisMinute(redis, account="a", provider="p", model=model, worker=w) for w in ("small", "large"))
    many = Limit(requests=100, tokens=1_000)
    first = await small.reserve([600], many)
    assert (await large.reserve([700], many)).granted == 0
    assert (await small.reserve([350], many)).granted == 0  # there is room, and it is kept for the one that waits
    await small.correct([Correction(slot=first.slot, requests=0, tokens=-400)])
    assert (await large.reserve([700], many)).granted == 1
    assert (await small.reserve([100], many)).granted == 1
    await redis.aclose()


async def test_a_server_that_is_away_is_told_as_such() -> None:
    redis = Redis.from_url("redis://127.0.0.1:1")
    minute = RedisMinute(redis, account="a", provider="p", model="m", worker="w")
    acts: list[Callable[[], object]] = [
        lambda: minute.reserve([1], LIMIT),
        lambda: minute.correct([Correction(slot=1, requests=0, tokens=1)]),
        lambda: minute.close(1),
    ]
    for act in acts:
        with pytest.raises(CacheUnavailable, match="Redis does not answer"):
            await act()  # type: ignore[misc]  # each is a coroutine
    await redis.aclose()
