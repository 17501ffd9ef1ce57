"""The gateway on a broker that lets nobody in without TLS, a certificate and a login."""

import asyncio
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from tests.conftest import database
from tests.e2e.gateways import Caller, gateway, token
from tests.e2e.processes import FANZGPT, settings, worker
from tests.e2e.secured_kafka import secured_kafka
from tests.e2e.waiting import beside

from fanzgpt_stack.emulator.testing import RunningEmulator
from fanzgpt_stack.servers import StackServers


async def test_a_call_is_answered_and_the_broker_found_healthy(
    stack: StackServers,
    migrated_template: str,
    emulator: RunningEmulator,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    found = stack.endpoints()
    async with (
        beside(secured_kafka(tmp_path_factory.mktemp("secured"))) as broker,
        beside(database(found["DATABASE_URL"], template=migrated_template)) as url,
    ):
        own = settings({**found, "KAFKA_BOOTSTRAP_SERVERS": broker.servers}, url, emulator)
        environ = {**own, **broker.settings}
        applying = await asyncio.create_subprocess_exec(FANZGPT, "topics", "apply", env=environ)
        assert await applying.wait() == 0
        async with (
            beside(worker("generation", environ, tmp_path)),
            beside(gateway(environ, tmp_path)) as one,
            aiohttp.ClientSession() as session,
        ):
            caller = Caller(one.url, token({"userId": f"user-{uuid4().hex[:8]}"}), session)
            reply = await caller.post("/api/v1/chat/response", {"message": "how was your day?"})
            assert reply.status == 200, reply.body
            assert (await caller.get("/health")).body["services"]["kafka"] == {"status": "healthy"}
