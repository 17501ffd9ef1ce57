"""The front door's beginning and end, and what it does while something behind it is away."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from tests.e2e.gateways import KEY, Caller, Reply, gateway, request_id, starting_gateway, token, until
from tests.e2e.processes import FANZGPT, worker
from tests.e2e.waiting import beside, drained
from tests.halting import halted

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_stack.servers import StackServers

POST = "/api/v1/content/social-post"
FIELDS = {"topic": "morning workout", "platform": "instagram"}
SLOW_SECONDS = 2.0


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[RunningEmulator]:
    """A provider that takes its time."""
    with running_emulator(tmp_path / "bill.jsonl", latency=f"{SLOW_SECONDS:g}s") as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as opened:
        yield opened


async def waiting_calls(caller: Caller, emulator: RunningEmulator, count: int) -> dict[str, "asyncio.Task[Reply]"]:
    """Calls that wait for their answers, by their ids: the provider is at work on each."""
    ids = [request_id() for _ in range(count)]
    calls = {each: asyncio.create_task(caller.post(POST, FIELDS, X_Request_ID=each)) for each in ids}

    async def all_called() -> bool:
        stats = await asyncio.to_thread(emulator.stats)
        return bool(stats["calls"] >= count)

    await until(all_called)
    return calls


async def test_a_gateway_that_is_killed_loses_no_answer_and_no_call_is_paid_twice(
    environ: dict[str, str], emulator: RunningEmulator, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    presented = token({"userId": f"user-{uuid4().hex[:8]}"})
    async with (
        beside(worker("generation", environ, tmp_path)),
        beside(gateway(environ, tmp_path)) as first,
        beside(gateway(environ, tmp_path)) as second,
    ):
        calls = await waiting_calls(Caller(first.url, presented, session), emulator, 12)
        first.process.kill()
        lost = await asyncio.gather(*calls.values(), return_exceptions=True)
        assert all(isinstance(each, aiohttp.ClientError) for each in lost)
        caller = Caller(second.url, presented, session)
        # Half of the callers repeat their calls; the others read by id.
        repeating, reading = list(calls)[:6], list(calls)[6:]
        repeated = await asyncio.gather(*(caller.post(POST, FIELDS, X_Request_ID=each) for each in repeating))
        assert {reply.status for reply in repeated} == {200}

        async def read(asked: str) -> object:
            async def completed() -> object:
                reply = await caller.get(f"/api/v1/requests/{asked}")
                assert reply.status == 200, reply.body
                return reply.body.get("output")

            return await until(completed)

        assert all(await asyncio.gather(*map(read, reading)))
        billed = [line["request_id"] for line in emulator.bill()]
        assert sorted(billed) == sorted(calls)


async def test_a_gateway_that_is_told_to_stop_answers_those_who_wait(
    environ: dict[str, str], emulator: RunningEmulator, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with beside(worker("generation", environ, tmp_path)), beside(gateway(environ, tmp_path)) as one:
        caller = Caller(one.url, token({"userId": f"user-{uuid4().hex[:8]}"}), session)
        calls = await waiting_calls(caller, emulator, 5)
        stopping = asyncio.create_task(drained(one.process, within=SLOW_SECONDS))
        assert {reply.status for reply in await asyncio.gather(*calls.values())} == {200}
        await stopping
        with pytest.raises(aiohttp.ClientConnectionError):
            await caller.get("/health")


async def test_those_for_whom_a_stop_has_no_time_are_told_where_to_read(
    environ: dict[str, str], emulator: RunningEmulator, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with (
        beside(worker("generation", environ, tmp_path)),
        beside(gateway(environ, tmp_path, GATEWAY_DRAIN_SECONDS="0.1")) as one,
    ):
        caller = Caller(one.url, token({"userId": f"user-{uuid4().hex[:8]}"}), session)
        calls = await waiting_calls(caller, emulator, 5)
        await drained(one.process, within=2.5)
        for asked, call in calls.items():
            reply = await call
            assert (reply.status, reply.headers["Location"]) == (202, f"/api/v1/requests/{asked}")


async def test_without_redis_and_database_calls_are_answered_and_health_says_what_is_missing(
    environ: dict[str, str], session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    away = {"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "postgresql://fanz@127.0.0.1:1/fanz"}
    async with (
        beside(worker("generation", environ, tmp_path)),
        beside(gateway({**environ, **away}, tmp_path, RATE_LIMIT_REQUESTS="2")) as one,
    ):
        caller = Caller(one.url, token({"userId": f"user-{uuid4().hex[:8]}"}), session)
        replies = [await caller.post(POST, FIELDS, Prefer="wait=10") for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert (await caller.get(f"/api/v1/requests/{request_id()}")).status == 503
        health = await caller.get("/health")
        assert (health.status, health.body["status"]) == (200, "degraded")
        unwell = {name for name, found in health.body["services"].items() if found["status"] == "unhealthy"}
        assert unwell == {"redis", "database"}
        assert "127.0.0.1" not in str(health.body)


async def test_while_the_broker_does_not_answer_calls_are_told_to_repeat(
    stack: StackServers, environ: dict[str, str], session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    [broker] = [server.pid for server in stack.status() if server.name.startswith("kafka")]
    assert broker is not None
    async with (
        beside(worker("generation", environ, tmp_path)),
        beside(gateway(environ, tmp_path, KAFKA_SEND_TIMEOUT_SECONDS="1")) as one,
    ):
        caller = Caller(one.url, token({"userId": f"user-{uuid4().hex[:8]}"}), session)
        asked = request_id()
        with halted(broker):
            told, health = await asyncio.gather(caller.post(POST, FIELDS, X_Request_ID=asked), caller.get("/health"))
        assert (told.status, told.body["requestId"], told.body["retryable"]) == (503, asked, True)
        assert told.headers["Retry-After"] == "1"
        assert (health.status, health.body["status"]) == (503, "unhealthy")
        assert health.body["services"]["kafka"]["status"] == "unhealthy"
        assert health.body["services"]["database"]["status"] == "healthy"
        assert (await caller.post(POST, FIELDS, X_Request_ID=asked)).status == 200


async def test_a_request_that_no_worker_has_taken_up_yet_is_pending_and_not_unknown(
    environ: dict[str, str], session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with beside(gateway(environ, tmp_path)) as one:
        user = f"user/{uuid4().hex[:8]}"
        service, person = (Caller(one.url, presented, session) for presented in (KEY, token({"userId": user})))
        for caller, body in ((service, {"userId": user, **FIELDS}), (service, {}), (person, FIELDS)):
            path = POST if body else "/api/v1/chat/starters"
            told = await caller.post(path, body, Prefer="respond-async")
            assert told.status == 202
            read = await caller.get(told.headers["Location"])
            assert (read.status, read.body["status"]) == (200, "pending")
            other = Caller(one.url, token({"userId": "somebody"}), session)
            assert (await other.get(told.headers["Location"].partition("?")[0])).status == 404


@pytest.mark.parametrize("origin", ["https://boyfanz.example", "https://elsewhere.example"])
async def test_pages_may_call_where_their_origin_is_named(
    environ: dict[str, str], session: aiohttp.ClientSession, tmp_path: Path, origin: str
) -> None:
    async with beside(gateway(environ, tmp_path, CORS_ORIGINS="https://boyfanz.example")) as one:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        headers = {"Access-Control-Request-Headers": "authorization,x-request-id,content-type"}
        async with session.options(one.url + POST, headers={**asked, **headers}) as preflight:
            allowed = preflight.headers.get("Access-Control-Allow-Origin")
        refused = await Caller(one.url, None, session).post(POST, FIELDS, Origin=origin)
        known = origin == "https://boyfanz.example"
        assert (allowed == origin) == known
        assert (refused.headers.get("Access-Control-Allow-Origin") == origin) == known
        assert refused.status == 401


def test_wrong_settings_are_told_all_at_once(environ: dict[str, str]) -> None:
    wrong = {**environ, "PORT": "http", "JWT_SECRET": "short"}
    done = subprocess.run([FANZGPT, "gateway"], env=wrong, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert all(name in done.stderr for name in ("2 settings are wrong", "PORT", "JWT_SECRET"))
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told(environ: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        settings = {**environ, "PORT": port, "FANZ_GPT_API_KEY": KEY}
        done = subprocess.run(
            [FANZGPT, "gateway"], env=settings, capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_broker_that_is_not_there_is_waited_for_until_told_to_stop(
    bare_settings: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "gateway.log"
    with starting_gateway(bare_settings, log) as process:

        async def told() -> bool:
            return "waiting for a server" in log.read_text()

        await until(told)
        assert "127.0.0.1:1" in log.read_text()
        await drained(process, within=5)
