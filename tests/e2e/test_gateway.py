"""The front door, with everything behind it: an HTTP client that knows the contract alone gets its answers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.e2e.gateways import KEY, Caller, RunningGateway, gateway, request_id
from tests.e2e.processes import worker

CALLS = {
    "/api/v1/content/social-post": ({"topic": "morning workout", "platform": "instagram"}, "post"),
    "/api/v1/content/personalized-message": (
        {"recipientId": "fan-1", "context": "thanks for the tip", "relationship": "subscriber"},
        "message",
    ),
    "/api/v1/chat/response": ({"message": "how was your day?", "history": []}, "response"),
    "/api/v1/chat/starters": ({"count": 3}, "starters"),
    "/api/v1/creator/content-calendar": ({"timeframe": "3 days", "preferences": {"tone": "warm"}}, "calendar"),
    "/api/v1/creator/performance-analysis": ({"timeframe": "last week"}, "analysis"),
}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as opened:
        yield opened


@pytest.fixture
def running(environ: dict[str, str], tmp_path: Path, redis_url: str) -> "AsyncIterator[RunningGateway]":
    with worker("generation", environ, tmp_path), gateway(environ, tmp_path) as one:
        yield one


@pytest.fixture
def service(running: RunningGateway, session: aiohttp.ClientSession) -> Caller:
    return Caller(running.url, KEY, session)


async def test_every_text_endpoint_answers_a_service_with_its_field(service: Caller) -> None:
    async def ask(path: str) -> None:
        fields, answer = CALLS[path]
        asked = request_id()
        reply = await service.post(path, {"userId": "test-user-1", **fields}, X_Request_ID=asked)
        assert reply.status == 200, reply.body
        assert answer in reply.body
        assert reply.headers["X-Request-ID"] == reply.body["requestId"] == asked
        assert reply.body["usage"]["provider"] == "openai"
        if answer == "starters":
            assert len(reply.body["starters"]) == 3

    await asyncio.gather(*map(ask, CALLS))
