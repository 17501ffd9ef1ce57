"""A provider's sliding minute: the same suite on Valkey and on its twin in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from fanzgpt_workers.core.headroom import Headroom, Level
from fanzgpt_workers.core.load import NOTHING, Limit, Load
from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.limits.memory_minute import MemoryMinute
from fanzgpt_workers.limits.minute import SECONDS, Correction, Minute, Told
from fanzgpt_workers.limits.redis_minute import RedisMinute, open_redis

LIMIT = Limit(requests=5, tokens=1_000)
HELD_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Subject:
    """A window, and another worker's view of it."""

    mine: Minute
    others: Minute


@pytest.fixture(params=["redis", "memory"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        minute = MemoryMinute(now_ms=now_ms, call_seconds=HELD_SECONDS)
        yield Subject(minute, minute)
        return
    redis = open_redis(request.getfixturevalue("redis_url"))
    model = f"model-{uuid4()}"
    yield Subject(
        *(
            RedisMinute(redis, account="a", provider="openai", model=model, worker=worker, call_seconds=HELD_SECONDS)
            for worker in ("a", "b")
        )
    )
    await redis.aclose()


def taking(*tokens: int) -> list[Load]:
    """Calls that take so many tokens, without any doubt."""
    return [Load(requests=1, output=each) for each in tokens]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_calls_go_as_long_as_there_is_room_for_requests_and_tokens(subject: Subject) -> None:
    first = await subject.mine.reserve(taking(100, 100), LIMIT)
    assert (first.granted, first.wait) == (2, 0)
    second = await subject.others.reserve(taking(300, 600, 1), LIMIT)
    assert second.granted == 1  # the next would be the 1,100th token, and nobody overtakes it
    assert SECONDS - 2 <= second.wait <= SECONDS + 2
    await subject.others.reserve([], LIMIT)  # it waits no longer
    third = await subject.mine.reserve(taking(1, 1, 1, 1), LIMIT)
    assert third.granted == 2  # the fifth request of five
    assert (await subject.mine.reserve(taking(1), LIMIT)).granted == 0


async def test_the_truth_takes_the_place_of_estimates(subject: Subject) -> None:
    grant = await subject.mine.reserve(taking(500, 500), LIMIT)
    assert (await subject.mine.reserve(taking(500), LIMIT)).granted == 0
    assert (await subject.mine.reserve([], LIMIT)).granted == 0  # it waits no longer
    taken = Correction(slot=grant.slot, change=Load(output=-400))
    refused = Correction(slot=grant.slot, change=NOTHING.minus(taking(500)[0]))
    await subject.others.correct([taken, refused])
    again = await subject.others.reserve(taking(900, 1), LIMIT)
    assert again.granted == 1
    await subject.mine.correct([Correction(slot=again.slot, change=Load(output=500))])
    assert (await subject.mine.reserve(taking(1), LIMIT)).granted == 0
    await subject.mine.correct(
        [Correction(slot=1, change=Load(requests=-9, output=-9_000))]
    )  # has long left the window
    assert (await subject.mine.reserve(taking(1), LIMIT)).granted == 0


async def test_a_call_larger_than_the_limit_goes_alone(subject: Subject) -> None:
    assert (await subject.mine.reserve(taking(5_000, 1), LIMIT)).granted == 1
    assert (await subject.mine.reserve(taking(1), LIMIT)).granted == 0


async def test_input_and_output_have_limits_of_their_own(subject: Subject) -> None:
    limit = Limit(input_tokens=1_000, output_tokens=100)
    asked = Load(requests=1, input=400, output=10)
    assert (await subject.mine.reserve([asked] * 3, limit)).granted == 2
    await subject.mine.reserve([], limit)
    talkative = Load(requests=1, input=1, output=50)
    assert (await subject.others.reserve([talkative] * 3, limit)).granted == 1
    await subject.others.reserve([], limit)
    assert (await subject.mine.reserve([Load(requests=1, input=190, output=30)], limit)).granted == 1


async def test_the_doubt_about_calls_under_way_is_that_of_their_sum(subject: Subject) -> None:
    """One call may take eight times its mean, twenty will not; and what has ended is in no doubt any more."""
    unsure = Load(requests=1, output=100, expected=100, variance=10_000, most=800)
    limit = Limit(tokens=4_000)
    grant = await subject.mine.reserve([unsure] * 40, limit)
    by_itself = [number for number in range(1, 41) if limit.admits(Load(*(number * part for part in unsure)))]
    assert grant.granted == max(by_itself)
    assert 15 < grant.granted < 30
    await subject.mine.reserve([], limit)
    ended = unsure.ended(input_tokens=0, output_tokens=100)
    await subject.others.correct([Correction(slot=grant.slot, change=ended)] * grant.granted)
    assert (await subject.others.reserve([unsure] * 40, limit)).granted > 6


async def test_calls_at_once_are_limited_until_they_are_over_or_their_worker_is_gone(subject: Subject) -> None:
    limit = Limit(concurrent=2)
    grant = await subject.mine.reserve(taking(1, 1, 1), limit)
    assert grant.granted == 2
    assert 0 < grant.wait < 1
    await subject.mine.reserve([], limit)
    assert (await subject.others.reserve(taking(1), limit)).granted == 0
    await subject.mine.correct([Correction(slot=grant.slot, change=NOTHING, over=grant.first)])
    assert (await subject.others.reserve(taking(1, 1), limit)).granted == 1
    await asyncio.sleep(HELD_SECONDS)
    assert (await subject.mine.reserve(taking(1), limit)).granted + (
        await subject.others.reserve(taking(1), limit)
    ).granted == 2


async def test_what_others_use_of_the_same_key_is_kept_free(subject: Subject) -> None:
    limit = Limit(requests=100, tokens=10_000)
    grant = await subject.mine.reserve(taking(1_000), limit)
    left = Headroom(requests=Level(100, 98), tokens=Level(10_000, 4_000))
    await subject.mine.correct(
        [Correction(slot=grant.slot, change=NOTHING)], Told(slot=grant.slot, headroom=left)
    )  # 6,000 are gone, and 1,000 of them are ours
    assert (await subject.others.reserve(taking(*[500] * 20), limit)).granted in {8, 9}  # what they used comes back


async def test_a_limit_that_the_provider_says_is_lower_counts(subject: Subject) -> None:
    limit = Limit(tokens=10_000, requests=100)
    grant = await subject.mine.reserve(taking(100), limit)
    said = Headroom(requests=Level(3, 2))
    await subject.mine.correct([Correction(slot=grant.slot, change=NOTHING)], Told(slot=grant.slot, headroom=said))
    assert (await subject.others.reserve(taking(1, 1, 1, 1), limit)).granted == 2


async def test_a_closed_window_grants_nothing_to_anybody_until_it_opens(subject: Subject) -> None:
    await subject.mine.close(30)
    await subject.others.close(5)  # sooner than is said already
    grant = await subject.others.reserve(taking(1), LIMIT)
    assert grant.granted == 0
    assert 29 <= grant.wait <= 30


async def test_workers_that_share_a_limit_know_how_many_they_are(redis_url: str) -> None:
    redis, model = open_redis(redis_url), f"model-{uuid4()}"
    seen = [
        (
            await RedisMinute(redis, account="a", provider="p", model=model, worker=str(n)).reserve(taking(1), LIMIT)
        ).workers
        for n in range(3)
    ]
    await redis.aclose()
    assert seen == [1, 2, 3]


async def test_a_worker_that_waits_with_a_large_call_is_not_overtaken_by_small_ones(redis_url: str) -> None:
    redis, model = open_redis(redis_url), f"model-{uuid4()}"
    small, large = (RedisMinute(redis, account="a", provider="p", model=model, worker=w) for w in ("small", "large"))
    many = Limit(requests=100, tokens=1_000)
    first = await small.reserve(taking(600), many)
    assert (await large.reserve(taking(700), many)).granted == 0
    assert (await small.reserve(taking(350), many)).granted == 0  # there is room, and it is kept for the one that waits
    await small.correct([Correction(slot=first.slot, change=Load(output=-400))])
    assert (await large.reserve(taking(700), many)).granted == 1
    assert (await small.reserve(taking(100), many)).granted == 1
    await redis.aclose()


async def test_a_server_that_is_away_is_told_as_such() -> None:
    redis = Redis.from_url("redis://127.0.0.1:1")
    minute = RedisMinute(redis, account="a", provider="p", model="m", worker="w")
    acts: list[Callable[[], object]] = [
        lambda: minute.reserve(taking(1), LIMIT),
        lambda: minute.correct([Correction(slot=1, change=Load(output=1))]),
        lambda: minute.close(1),
    ]
    for act in acts:
        with pytest.raises(CacheUnavailable, match="Redis does not answer"):
            await act()  # type: ignore[misc]  # each is a coroutine
    await redis.aclose()
