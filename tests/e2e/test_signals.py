"""Processes that are told to end: each drains, exits with 0 in its grace time, and leaves nothing half-done."""

import asyncio
import json
import subprocess
from collections import Counter
from pathlib import Path
from time import monotonic
from uuid import uuid4

import asyncpg
import pytest
from tests.e2e.many_requests import endings_by_id, named, outcomes, published
from tests.e2e.processes import FANZGPT, bare_environ, worker
from tests.e2e.sink_events import SINKS
from tests.e2e.topics import onlooker, raw_producer
from tests.e2e.waiting import drained, reached

from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_stack.emulator.testing import RunningEmulator

EVENTS = 3_000


async def test_a_generation_worker_ends_its_calls_on_sigterm_and_leaves_nothing_to_be_done_twice(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    emulator.script([{"action": {"do": "slow", "seconds": 1.5}, "times": 20}])
    async with onlooker(environ["KAFKA_BOOTSTRAP_SERVERS"], COMPLETED_TOPIC, FAILED_TOPIC) as seen:
        with worker("generation", {**environ, "GENERATION_DRAIN_SECONDS": "10"}, tmp_path) as process:
            ids = await published(environ, 20)
            await reached(10, lambda: emulator.stats()["in_flight"] == len(ids))
            await drained(process, within=2)
        await seen.read_all()
        assert endings_by_id(seen, ids) == Counter(ids)
        # Nothing is left for the next one: its first request is the next bill line.
        with worker("generation", environ, tmp_path) as process:
            later = await published(environ, 1)
            await seen.wait_for(named(later, COMPLETED_TOPIC))
            await drained(process, within=2)
    assert Counter(line["request_id"] for line in emulator.bill()) == Counter([*ids, *later])


async def test_a_call_that_outlasts_the_grace_time_is_left_to_the_next_worker(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    emulator.script([{"action": {"do": "slow", "seconds": 30}, "times": 8}])
    async with onlooker(environ["KAFKA_BOOTSTRAP_SERVERS"], COMPLETED_TOPIC, FAILED_TOPIC) as seen:
        with worker("generation", {**environ, "GENERATION_DRAIN_SECONDS": "1"}, tmp_path) as process:
            ids = await published(environ, 8)
            await reached(10, lambda: emulator.stats()["in_flight"] == len(ids))
            await drained(process, within=1)
        with worker("generation", environ, tmp_path):
            await seen.wait_for(named(ids, COMPLETED_TOPIC), count=len(ids))
    assert endings_by_id(seen, ids) == Counter(ids)
    # Each call that was let go is known as such, and was made once more.
    assert await outcomes(environ) == {"cancelled": 8, "ok": 8}


@pytest.mark.parametrize("name", SINKS)
async def test_a_sink_ends_its_transaction_on_sigterm_and_the_next_one_goes_on_where_it_stood(
    name: str, environ: dict[str, str], tmp_path: Path
) -> None:
    sink, run = SINKS[name], uuid4().hex[:8]
    small = {**environ, "SINK_BATCH_ROWS": "20", "SINK_DRAIN_SECONDS": "5"}

    async def publish() -> None:
        async with raw_producer(environ["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
            for number in range(EVENTS):
                user = f"{run}-{number % 50}"
                await producer.send(sink.topic, json.dumps(sink.event(user, number)).encode(), key=user.encode())
            await producer.flush()

    connection = await asyncpg.connect(environ["DATABASE_URL"])
    try:
        with worker(name, small, tmp_path) as process:
            publishing = asyncio.create_task(publish())
            end = monotonic() + 15
            while not (await connection.fetchrow(sink.query))[0]:
                assert monotonic() < end
                await asyncio.sleep(0.01)
            await drained(process, within=5)
        await publishing
        counted, stored = await connection.fetchrow(sink.query)
        positions = "SELECT sum(next_offset) FROM ai_sink_offsets WHERE next_offset IS NOT NULL"
        assert counted == stored
        assert 0 < stored < EVENTS
        assert await connection.fetchval(positions)
        with worker(name, environ, tmp_path) as process:
            end = monotonic() + 15
            while (await connection.fetchrow(sink.query))[1] < EVENTS:
                assert monotonic() < end
                await asyncio.sleep(0.05)
            await drained(process, within=5)
        assert tuple(await connection.fetchrow(sink.query)) == (EVENTS, EVENTS)
    finally:
        await connection.close()


async def test_the_monitor_ends_between_two_looks(environ: dict[str, str], tmp_path: Path) -> None:
    with worker("monitor", {**environ, "MONITOR_INTERVAL_SECONDS": "0.2"}, tmp_path) as process:
        log = tmp_path / "monitor.log"
        await reached(5, lambda: '"ready"' in log.read_text())
        await drained(process, within=2)
    assert "Traceback" not in log.read_text()


async def test_the_emulator_ends_with_every_call_on_its_bill(tmp_path: Path) -> None:
    ready, bill = tmp_path / "ready.json", tmp_path / "bill.jsonl"
    options = ("--port", "0", "--bill", bill, "--latency", "30s", "--ready-file", ready)
    process = subprocess.Popen(  # noqa: ASYNC220  # `drained` waits in a thread
        [FANZGPT, "emulator", *options], env=bare_environ(), stdout=subprocess.DEVNULL
    )
    try:
        await reached(15, ready.exists)
        port = json.loads(ready.read_text())["port"]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await reached(5, lambda: bool(bill.read_bytes()))
        await drained(process, within=2)
        writer.close()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    assert len(bill.read_text().splitlines()) == 1
