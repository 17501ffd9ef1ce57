"""Both kinds of windows against the plainest model there is: a list of times."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import RedisError

from fanzgpt_gateway.limits.degrading import DegradingWindows
from fanzgpt_gateway.limits.memory_windows import MemoryWindows
from fanzgpt_gateway.limits.redis_windows import RedisWindows, open_redis
from fanzgpt_gateway.limits.windows import REPEATS_PER_REQUEST, Admission, Allowance, Windows


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from([0, 1, 3, 10, 11]), st.integers(0, 12)), max_size=40),
)
async def test_at_every_moment_a_window_holds_at_most_its_requests(limit: int, calls: list[tuple[int, int]]) -> None:
    clock, allowance = Clock(), Allowance(requests=limit, seconds=10)
    windows = MemoryWindows(clock=clock)
    admitted: dict[int, float] = {}
    for wait, number in calls:
        clock.now += wait
        admitted = {each: at for each, at in admitted.items() if at > clock.now - 10}
        known = number in admitted
        expected = known or len(admitted) < limit
        if expected and not known:
            admitted[number] = clock.now
        answer = await windows.admit("u", str(number), allowance)
        assert answer.admitted == expected
        assert answer.remaining == limit - len(admitted)
        assert await windows.counted("u", str(number), allowance) == expected


async def test_windows_that_are_empty_are_forgotten() -> None:
    clock = Clock()
    windows = MemoryWindows(clock=clock)
    for number in range(30_000):
        clock.now += 0.01
        await windows.admit(f"u{number}", "1", Allowance(requests=1, seconds=1))
    assert len(windows._windows) < 11_000


@pytest.fixture
async def shared(redis_url: str) -> AsyncIterator[list[RedisWindows]]:
    """Three replicas' views of the same windows."""
    clients = [open_redis(redis_url) for _ in range(3)]
    yield [RedisWindows(client) for client in clients]
    for client in clients:
        await client.aclose()


async def test_of_parallel_calls_on_three_replicas_exactly_the_limit_is_admitted(shared: list[RedisWindows]) -> None:
    allowance = Allowance(requests=100, seconds=900)
    subject = f"user:{uuid4()}"
    answers = await asyncio.gather(
        *(shared[number % 3].admit(subject, f"r{number}", allowance) for number in range(200))
    )
    assert sum(answer.admitted for answer in answers) == 100
    refused = next(answer for answer in answers if not answer.admitted)
    assert refused.headers() == {
        "RateLimit-Limit": "100",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "900",
        "RateLimit-Policy": "100;w=900",
        "Retry-After": "900",
    }


async def bounded_repeats(windows: Windows) -> list[Admission]:
    allowance = Allowance(requests=2, seconds=60)
    subject = f"user:{uuid4()}"
    return [await windows.admit(subject, "same", allowance) for _ in range(2 * REPEATS_PER_REQUEST + 2)]


async def test_a_repeated_request_costs_nothing_until_repeating_becomes_a_way_around(
    shared: list[RedisWindows],
) -> None:
    for windows in (shared[0], MemoryWindows(clock=Clock())):
        answers = await bounded_repeats(windows)
        assert [answer.admitted for answer in answers] == [True] * (2 * REPEATS_PER_REQUEST + 1) + [False]
        assert {answer.remaining for answer in answers} == {1}


async def test_a_shared_window_slides(shared: list[RedisWindows]) -> None:
    allowance, subject = Allowance(requests=1, seconds=1), f"user:{uuid4()}"
    assert (await shared[0].admit(subject, "1", allowance)).admitted
    assert await shared[1].counted(subject, "1", allowance)
    refused = await shared[2].admit(subject, "2", allowance)
    assert not refused.admitted
    async with asyncio.timeout(5):
        while not (await shared[0].admit(subject, "2", allowance)).admitted:
            await asyncio.sleep(0.05)


class Broken:
    """Windows whose server is away for a while."""

    def __init__(self) -> None:
        self.away = True
        self.asked = 0

    async def admit(self, subject: str, request_id: str, allowance: Allowance) -> Admission:
        self.asked += 1
        if self.away:
            raise RedisError
        return await MemoryWindows(clock=Clock()).admit(subject, request_id, allowance)

    async def counted(self, subject: str, request_id: str, allowance: Allowance) -> bool:
        return not self.away


async def test_while_the_shared_windows_are_away_each_replica_counts_and_asks_again_once_a_second() -> None:
    clock, told, broken = Clock(), list[bool](), Broken()
    windows = DegradingWindows(broken, MemoryWindows(clock=clock), clock=clock, degraded=told.append)
    allowance = Allowance(requests=3, seconds=900)
    answers = [await windows.admit("u", str(number), allowance) for number in range(5)]
    assert [answer.admitted for answer in answers] == [True, True, True, False, False]
    assert (broken.asked, told) == (1, [True])
    assert await windows.counted("u", "0", allowance)
    clock.now += 1
    broken.away = False
    assert (await windows.admit("u", "9", allowance)).admitted
    assert (broken.asked, told) == (2, [True, False])


async def test_a_server_that_is_not_there_is_noticed_at_once() -> None:
    client = open_redis("redis://127.0.0.1:1/0")
    clock = Clock()
    windows = DegradingWindows(RedisWindows(client), MemoryWindows(clock=clock), clock=clock, degraded=lambda _: None)
    async with asyncio.timeout(2):
        assert (await windows.admit("u", "1", Allowance(requests=1, seconds=1))).admitted
    await client.aclose()
