"""Cancelling: a call under way is closed, a request that waits is never paid for, and each is told once."""

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from tests.e2e.processes import worker
from tests.e2e.waiting import reached

from fanzgpt_producers.client import GenerationClient
from fanzgpt_producers.errors import RequestFailed
from fanzgpt_stack.emulator.testing import RunningEmulator

GIVEN = {"topic": "yoga", "platform": "x"}


async def outcomes(url: str, request_id: str) -> list[str]:
    """Of the request's attempts."""
    connection = await asyncpg.connect(url)
    try:
        query = "SELECT outcome FROM ai_attempts JOIN ai_requests USING (request_key) WHERE request_id = $1"
        return [row["outcome"] for row in await connection.fetch(query, request_id)]
    finally:
        await connection.close()


async def test_a_call_under_way_is_closed_and_what_it_cost_is_not_known(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    emulator.script([{"action": {"do": "slow", "seconds": 60}}])
    with worker("generation", environ, tmp_path):
        async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
            handle = await client.request("social-post", user_id=str(uuid4()), input=GIVEN)
            await reached(20, lambda: emulator.stats()["in_flight"] == 1)
            await client.cancel(handle)
            with pytest.raises(RequestFailed, match="ended as cancelled") as told:
                await handle.result(timeout=10)
            assert told.value.event.metadata.attempts == 1
            await reached(10, lambda: emulator.stats()["in_flight"] == 0)
    assert await outcomes(environ["DATABASE_URL"], handle.request_id) == ["cancelled"]


async def test_a_request_that_waits_is_cancelled_unpaid_also_by_a_worker_that_starts_later(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
        user = str(uuid4())
        unwanted = await client.request("social-post", user_id=user, input=GIVEN)
        await client.cancel(unwanted)
        wanted = await client.request("social-post", user_id=user, input=GIVEN)
        # One at a time: by the first request's turn the wish may be on its way still, so it is published before.
        with worker("generation", {**environ, "GENERATION_MAX_IN_FLIGHT": "1"}, tmp_path):
            assert (await wanted.result(timeout=30)).output["post"]
            ending = await unwanted.ending(30)
    billed = [line["request_id"] for line in emulator.bill() if line["request_id"] == unwanted.request_id]
    if hasattr(ending, "output"):
        pytest.fail(f"it was answered, with {len(billed)} calls")
    assert ending.reason == "cancelled"
    assert billed == []


async def test_a_cancelled_answer_is_too_late_and_another_users_wish_is_no_wish(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    emulator.script([{"action": {"do": "slow", "seconds": 1}}])
    with worker("generation", environ, tmp_path):
        async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
            shared = str(uuid4())
            mine = await client.request("social-post", user_id=str(uuid4()), input=GIVEN, request_id=shared)
            await reached(20, lambda: emulator.stats()["in_flight"] == 1)
            others = await client.request("social-post", user_id=str(uuid4()), input=GIVEN, request_id=shared)
            await client.cancel(others)
            answer = await mine.result(timeout=20)
            await client.cancel(mine)
            again = await client.request("social-post", user_id=mine.user_id, input=GIVEN, request_id=shared)
            assert await again.result(timeout=20) == answer
            await asyncio.wait_for(others.ending(20), 20)
