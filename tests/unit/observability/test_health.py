"""Health: three addresses on one port, each check with what it found."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.observability.health import Finding, HealthServer, health_server
from fanzgpt_workers.observability.metrics import Metrics
from fanzgpt_workers.settings import METRICS_PORTS, ProcessSettings


@pytest.fixture
async def server() -> AsyncIterator[HealthServer]:
    async with HealthServer(Metrics(), host="127.0.0.1", port=0, check_seconds=0.2) as server:
        yield server


async def get(server: HealthServer, path: str) -> tuple[int, str, dict[str, object]]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.port}{path}") as response,
    ):
        json = await response.json() if response.content_type == "application/json" else {}
        return response.status, await response.text(), json


async def well() -> Finding:
    return Finding(well=True, detail="12 partitions")


async def test_metrics_are_served_in_prometheus_text(server: HealthServer) -> None:
    status, text, _ = await get(server, "/metrics")
    assert status == 200
    assert "# TYPE fanzgpt_generations_total counter" in text


async def test_ready_says_what_each_check_found(server: HealthServer) -> None:
    async def away() -> Finding:
        return Finding(well=False, detail="PostgreSQL at db:5432 is away")

    server.ready_when("kafka", well)
    assert (await get(server, "/health/ready"))[0] == 200
    server.ready_when("postgresql", away)
    status, _, body = await get(server, "/health/ready")
    assert status == 503
    assert body == {
        "status": "not ready",
        "checks": {
            "kafka": {"status": "healthy", "detail": "12 partitions"},
            "postgresql": {"status": "unhealthy", "detail": "PostgreSQL at db:5432 is away"},
        },
    }
    assert (await get(server, "/health/live"))[0] == 200


async def test_a_check_that_breaks_is_told_and_breaks_nothing(server: HealthServer) -> None:
    async def broken() -> Finding:
        raise RuntimeError("no loop")

    server.live_while("engine", broken)
    status, _, body = await get(server, "/health/live")
    assert status == 503
    assert body["checks"] == {"engine": {"status": "unhealthy", "detail": "RuntimeError: no loop"}}


async def test_a_check_that_hangs_is_not_waited_for(server: HealthServer) -> None:
    async def hanging() -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    server.ready_when("hanging", hanging)
    _, _, body = await get(server, "/health/ready")
    assert body["checks"] == {"hanging": {"status": "unhealthy", "detail": "no answer within 0.2 s"}}


async def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"METRICS_PORT={port}: Address already in use; METRICS_PORT=0"):
            await HealthServer(Metrics(), host="127.0.0.1", port=port).start()


async def test_a_process_whose_own_port_is_taken_takes_a_free_one() -> None:
    first = health_server(Metrics(), ProcessSettings(), process="monitor")
    second = health_server(Metrics(), ProcessSettings(), process="monitor")
    async with first, second:
        assert first.port != second.port
        assert METRICS_PORTS["monitor"] != second.port


async def test_closing_twice_is_closing_once() -> None:
    server = HealthServer(Metrics(), host="127.0.0.1", port=0)
    await server.start()
    await server.aclose()
    await server.aclose()
