"""One window a user, whichever way requests come in: over HTTP, over the topics, and by any client."""

from collections import Counter
from pathlib import Path
from uuid import uuid4

import aiohttp
from tests.e2e.gateways import Caller, gateway, token
from tests.e2e.processes import worker
from tests.e2e.waiting import beside

from fanzgpt_producers.client import GenerationClient
from fanzgpt_producers.handle import Handle
from fanzgpt_schemas.generation import GenerationFailed

POST = "/api/v1/content/social-post"
FIELDS = {"topic": "morning workout", "platform": "instagram"}
LIMIT = {"RATE_LIMIT_REQUESTS": "10", "RATE_LIMIT_PREMIUM_REQUESTS": "20"}


async def outcome(handle: Handle) -> str:
    ending = await handle.ending()
    return ending.detail if isinstance(ending, GenerationFailed) else "completed"


async def test_requests_on_the_topics_and_over_http_share_their_users_window(
    environ: dict[str, str], tmp_path: Path
) -> None:
    user = f"user-{uuid4().hex[:8]}"
    async with (
        beside(worker("generation", {**environ, **LIMIT}, tmp_path)),
        beside(gateway(environ, tmp_path, **LIMIT)) as one,
        GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client,
        aiohttp.ClientSession() as session,
    ):
        caller = Caller(one.url, token({"userId": user}), session)

        async def published(count: int, of: str, **more: object) -> Counter[str]:
            handles = [await client.request("social-post", user_id=of, input=FIELDS, **more) for _ in range(count)]
            return Counter([await outcome(handle) for handle in handles])

        assert [(await caller.post(POST, FIELDS)).status for _ in range(4)] == [200] * 4
        told = await published(8, user)
        assert told.pop("completed") == 6
        ((detail, refused),) = told.items()
        assert refused == 2
        assert detail.startswith("Too many requests: at most 10 within 900 s; try again in ")
        assert (await caller.post(POST, FIELDS)).status == 429
        # Who asks for premium gets it, and a service's own work is nobody's window.
        assert (await published(12, user, metadata={"subscription": "premium"}))["completed"] == 10
        assert await published(15, "service:nightly") == {"completed": 15}
        assert await published(3, "somebody-else") == {"completed": 3}


async def test_a_request_that_is_published_again_is_counted_once(environ: dict[str, str], tmp_path: Path) -> None:
    user = f"user-{uuid4().hex[:8]}"
    async with (
        beside(worker("generation", {**environ, "RATE_LIMIT_REQUESTS": "2"}, tmp_path)),
        GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client,
    ):
        for _ in range(4):
            again = await client.request("social-post", user_id=user, input=FIELDS, request_id="the-same")
            assert await outcome(again) == "completed"
        assert await outcome(await client.request("social-post", user_id=user, input=FIELDS)) == "completed"
        assert "Too many" in await outcome(await client.request("social-post", user_id=user, input=FIELDS))


async def test_without_redis_and_where_it_is_switched_off_nobody_is_refused(
    environ: dict[str, str], tmp_path: Path
) -> None:
    async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
        for off in ({"REDIS_URL": "redis://127.0.0.1:1/0"}, {"RATE_LIMIT_TOPICS": "false"}):
            user = f"user-{uuid4().hex[:8]}"
            async with beside(worker("generation", {**environ, "RATE_LIMIT_REQUESTS": "1", **off}, tmp_path)):
                handles = [await client.request("social-post", user_id=user, input=FIELDS) for _ in range(3)]
                assert [await outcome(handle) for handle in handles] == ["completed"] * 3
