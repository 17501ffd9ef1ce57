"""What workers tell each other of models: the same suite on Valkey and on its twin in memory."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.limits.board import Board, MemoryBoard
from fanzgpt_workers.limits.redis_board import RedisBoard
from fanzgpt_workers.limits.redis_minute import open_redis

A, B = Target("openai", "a"), Target("anthropic", "b")


@pytest.fixture(params=["redis", "memory"])
async def board(request: pytest.FixtureRequest) -> AsyncIterator[Board]:
    if request.param == "memory":
        yield MemoryBoard(time=time.monotonic)
        return
    redis = open_redis(request.getfixturevalue("redis_url"))
    account = uuid4().hex
    yield RedisBoard(redis, accounts={"openai": account, "anthropic": account})
    await redis.aclose()


async def test_nothing_is_known_of_a_target_at_first(board: Board) -> None:
    assert [standing.is_open_to_all for standing in await board.look([A, B])] == [True, True]


async def test_a_rest_is_told_to_all_and_never_shortened(board: Board) -> None:
    await board.rest(A, 30)
    await board.rest(A, 5)
    a, b = await board.look([A, B])
    assert not a.tripped
    assert 29 < a.rests <= 30
    assert b.is_open_to_all
    await board.rest(A, 60)
    (a,) = await board.look([A])
    assert 59 < a.rests <= 60


async def test_what_is_down_is_down_for_all_until_it_is_healed(board: Board) -> None:
    await board.trip(A, 0.001)
    (standing,) = await board.look([A])
    assert standing.tripped
    assert standing.rests <= 0.001
    await board.heal(A)
    (standing,) = await board.look([A])
    assert standing.is_open_to_all


async def test_one_probe_at_a_time(board: Board) -> None:
    assert not await board.claim_probe(A, 30)  # it is not down
    for target in (A, B):
        await board.trip(target, 0.05)
        assert not await board.claim_probe(target, 30)  # it rests
        await rested(board, target)
    assert [await board.claim_probe(A, 30) for _ in range(3)] == [True, False, False]
    assert await board.claim_probe(B, 30)
    await board.trip(A, 0.05)  # the probe has failed
    await rested(board, A)
    assert await board.claim_probe(A, 30)
    await board.heal(A)
    assert not await board.claim_probe(A, 30)


async def rested(board: Board, target: Target) -> None:
    """Return once the target may be probed."""
    async with asyncio.timeout(5):
        while (await board.look([target]))[0].rests:
            await asyncio.sleep(0.01)


async def test_a_server_that_is_away_is_told_as_such() -> None:
    redis = Redis.from_url("redis://127.0.0.1:1")
    board = RedisBoard(redis, accounts={"openai": "a"})
    for act in (
        lambda: board.look([A]),
        lambda: board.rest(A, 1),
        lambda: board.trip(A, 1),
        lambda: board.claim_probe(A, 1),
        lambda: board.heal(A),
    ):
        with pytest.raises(CacheUnavailable, match="Redis does not answer"):
            await act()  # type: ignore[misc]  # each is a coroutine
    await redis.aclose()
