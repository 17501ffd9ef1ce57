"""The workers' view of users' windows, beside the gateway's of the same ones, on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from tests.unit.prompts.requested import requested

from fanzgpt_gateway.limits.redis_windows import RedisWindows
from fanzgpt_gateway.limits.redis_windows import open_redis as open_bounded
from fanzgpt_gateway.limits.windows import Allowance
from fanzgpt_schemas.identity import user_key
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.limits.redis_minute import open_redis
from fanzgpt_workers.limits.user_windows import Allowances, UserWindows

HUNDRED = Allowances(seconds=900, standard=100, premium=200)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """With few connections, as a gateway has: a burst waits for one."""
    opened = open_bounded(redis_url)
    yield opened
    await opened.aclose()


def of_user(user: str, request_id: str, *, seconds: str | None = None) -> GenerationRequested:
    metadata = None if seconds is None else {"subscription": seconds}
    return requested("social-post").model_copy(update={"user_id": user, "request_id": request_id, "metadata": metadata})


def windows(redis: Redis, allowances: Allowances = HUNDRED) -> UserWindows:
    return UserWindows(redis, allowances, away=lambda _: None)


async def test_of_parallel_requests_at_gateways_and_workers_exactly_the_limit_is_admitted(redis: Redis) -> None:
    user = f"user-{uuid4()}"
    workers, gateways = [windows(redis) for _ in range(3)], [RedisWindows(redis) for _ in range(3)]
    allowance = Allowance(requests=100, seconds=900)

    async def asked(number: int) -> bool:
        request_id = f"r{number}"
        if number % 2:
            return (await gateways[number % 3].admit(f"user:{user_key(user)}", request_id, allowance)).admitted
        return await workers[number % 3].refusal(of_user(user, request_id)) is None

    assert sum(await asyncio.gather(*(asked(number) for number in range(300)))) == 100


async def test_a_request_that_was_counted_at_the_gateway_is_not_counted_again(redis: Redis) -> None:
    user = f"user-{uuid4()}"
    gateway, worker = RedisWindows(redis), windows(redis, Allowances(seconds=900, standard=2, premium=2))
    subject, allowance = f"user:{user_key(user)}", Allowance(requests=2, seconds=900)
    for number in range(2):
        assert (await gateway.admit(subject, f"r{number}", allowance)).admitted
    for number in range(2):
        assert await worker.refusal(of_user(user, f"r{number}")) is None
    told = await worker.refusal(of_user(user, "r2"))
    assert told is not None
    assert told.startswith("Too many requests: at most 2 within 900 s")


async def test_a_window_slides(redis: Redis) -> None:
    user, worker = f"user-{uuid4()}", windows(redis, Allowances(seconds=1, standard=1, premium=1))
    assert await worker.refusal(of_user(user, "1")) is None
    assert await worker.refusal(of_user(user, "2")) is not None
    async with asyncio.timeout(5):
        while await worker.refusal(of_user(user, "2")) is not None:
            await asyncio.sleep(0.05)


async def test_premium_is_what_the_request_says(redis: Redis) -> None:
    user, worker = f"user-{uuid4()}", windows(redis, Allowances(seconds=900, standard=1, premium=2))
    assert await worker.refusal(of_user(user, "1")) is None
    assert await worker.refusal(of_user(user, "2")) is not None
    assert await worker.refusal(of_user(user, "2", seconds="premium")) is None
    assert await worker.refusal(of_user(user, "3", seconds="premium")) is not None


async def test_while_redis_is_away_nobody_is_refused_and_somebody_is_told() -> None:
    told: list[Exception] = []
    away = open_redis("redis://127.0.0.1:1/0")
    worker = UserWindows(away, Allowances(seconds=900, standard=1, premium=1), away=told.append)
    answers = await asyncio.gather(*(worker.refusal(of_user("u", str(number))) for number in range(20)))
    assert set(answers) == {None}
    assert told
    await away.aclose()
