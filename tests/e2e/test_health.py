"""What an orchestrator hears on /health of a process that starts, works, and loses its database."""

import json
import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.e2e.forwarder import forwarded_database, forwarder
from tests.e2e.processes import starting, worker
from tests.e2e.sink_events import SINKS
from tests.e2e.topics import raw_producer
from tests.e2e.waiting import beside, reached

PROCESSES = ("generation", "history-sink", "analytics-sink", "preferences-sink", "monitor")


def asked(port: int, path: str) -> tuple[int, dict[str, Any]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def metrics_port(folder: Path) -> int:
    """Of the only process that has become ready in the folder."""
    [ready] = folder.glob("*.json")
    port: int = json.loads(ready.read_text())["metricsPort"]
    return port


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.parametrize("name", PROCESSES)
async def test_a_process_is_ready_once_it_takes_part(name: str, environ: dict[str, str], tmp_path: Path) -> None:
    async with beside(worker(name, environ, tmp_path)):
        port = metrics_port(tmp_path)
        status, found = asked(port, "/health/live")
        assert (status, found["status"]) == (200, "live")
        assert "turned" in found["checks"]["loop"]["detail"]
        await reached(10, lambda: asked(port, "/health/ready")[0] == 200)
        told = asked(port, "/health/ready")[1]["checks"]["process"]["detail"]
        assert "partitions" in told


async def test_a_process_that_waits_for_kafka_is_alive_and_not_ready_and_says_why(
    environ: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    async with forwarder(environ["KAFKA_BOOTSTRAP_SERVERS"]) as kafka:
        away = {**environ, "KAFKA_BOOTSTRAP_SERVERS": kafka.address, "METRICS_PORT": str(port)}
        async with beside(starting("generation", away, tmp_path / "generation.log")):
            await reached(20, lambda: kafka.address in why_not_ready(port))
            assert asked(port, "/health/live")[0] == 200


async def test_a_sink_whose_database_is_away_is_alive_and_says_so(environ: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    sink = SINKS["history-sink"]
    async with (
        forwarded_database(environ) as (forwarded, database),
        beside(worker("history-sink", {**forwarded, "METRICS_PORT": str(port)}, tmp_path)),
    ):
        await database.close()
        async with raw_producer(environ["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
            await producer.send_and_wait(sink.topic, json.dumps(sink.event(f"u-{uuid4()}", 1)).encode())
        await reached(20, lambda: database.address in why_not_ready(port))
        assert asked(port, "/health/live")[0] == 200


def why_not_ready(port: int) -> str:
    """What /health/ready complains of; empty while nobody answers, or where all is well."""
    try:
        status, found = asked(port, "/health/ready")
    except OSError:
        return ""
    return "" if status == 200 else json.dumps(found)
