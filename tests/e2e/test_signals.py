"""Processes that are told to end, and processes that are not told: what is promised of each."""

import asyncio
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from tests.e2e.forwarder import Forwarder, forwarder
from tests.e2e.processes import FANZGPT, bare_environ, settings, worker
from tests.e2e.rows import rows, stored_past
from tests.e2e.topics import Onlooker, header, onlooker, raw_producer

from fanzgpt_schemas.events import (
    ANALYTICS_TOPIC,
    COMPLETED_TOPIC,
    FAILED_TOPIC,
    PREFERENCES_TOPIC,
    REQUESTED_TOPIC,
)
from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_stack.testing import running_stack

T = TypeVar("T")

SLACK_SECONDS = 5.0  # what a loaded machine may add to a bound


async def published(environ: dict[str, str], count: int, *, users: int = 40, every: float = 0.0) -> list[str]:
    """Requests under new ids, published by somebody else, one `every` so many seconds; returns the ids."""
    run = uuid4().hex[:8]
    ids = [f"{run}-{number}" for number in range(count)]
    async with raw_producer(environ["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
        for number, request_id in enumerate(ids):
            body = {
                "requestId": request_id,
                "userId": f"{run}-user-{number % users}",
                "type": "social-post",
                "input": {"topic": f"workout {number}", "platform": "x"},
            }
            await producer.send(REQUESTED_TOPIC, json.dumps(body).encode(), key=str(body["userId"]).encode())
            if every:
                await asyncio.sleep(every)
        await producer.flush()
    return ids


async def reached(seconds: float, condition: Callable[[], bool]) -> None:
    """Return once the condition holds; fails when the time is up."""
    end = monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert monotonic() < end, "not reached in time"
        await asyncio.sleep(0.02)


async def drained(process: "subprocess.Popen[bytes]", *, within: float) -> None:
    """SIGTERM, and exit code 0 within the bound."""
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, within + SLACK_SECONDS) == 0


def named(ids: Sequence[str], *topics: str) -> Callable[[Any], bool]:
    """Whether a record of these topics is about one of these requests."""
    wanted = set(ids)
    return lambda record: record.topic in topics and header(record, "request_id") in wanted


def endings_by_id(seen: Onlooker, ids: Sequence[str]) -> Counter[str | None]:
    """How many endings were published of each request."""
    about = named(ids, COMPLETED_TOPIC, FAILED_TOPIC)
    return Counter(header(record, "request_id") for record in seen.records if about(record))


async def one_row_each(environ: dict[str, str], seen: Onlooker, ids: Sequence[str]) -> None:
    """Every completion has been passed by the history sink, and every request has one row, counted once."""
    last: dict[int, int] = {}
    for record in seen.records:
        if named(ids, COMPLETED_TOPIC)(record):
            last[record.partition] = record.offset
    group = f"{environ['KAFKA_GROUP_PREFIX']}.history-sink"
    for partition, offset in last.items():
        await stored_past(
            environ["DATABASE_URL"], group=group, topic=COMPLETED_TOPIC, partition=partition, offset=offset
        )
    found = await rows(environ["DATABASE_URL"], "SELECT metadata FROM ai_generation_history", until=len(ids))
    assert sorted(json.loads(row["metadata"])["requestId"] for row in found) == sorted(ids)
    counted = "SELECT sum((ai_usage_stats ->> 'total_generations')::int) AS total FROM users"
    assert (await rows(environ["DATABASE_URL"], counted, until=1))[0]["total"] == len(ids)


async def outcomes(environ: dict[str, str]) -> Counter[str | None]:
    """What became of every provider call, as the ledger has it."""
    found = await rows(environ["DATABASE_URL"], "SELECT outcome FROM ai_attempts", until=0)
    return Counter(row["outcome"] for row in found)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A sink, its topic, an event for it, and the query that counts what it has stored."""

    topic: str
    event: Callable[[str, int], dict[str, object]]
    query: str


SINKS = {
    "history-sink": Stored(
        topic=COMPLETED_TOPIC,
        event=lambda user, number: {
            "userId": user,
            "requestId": f"{user}-{number}",
            "type": "social-post",
            "input": {},
            "output": {"post": f"{number}"},
        },
        query="SELECT coalesce(sum((ai_usage_stats ->> 'total_generations')::int), 0), (SELECT count(*) FROM"
        " ai_generation_history) FROM users",
    ),
    "analytics-sink": Stored(
        topic=ANALYTICS_TOPIC,
        event=lambda user, number: {"userId": user, "event": "post-viewed", "data": {"number": number}},
        query="SELECT count(*), count(*) FROM ai_analytics",
    ),
    "preferences-sink": Stored(
        topic=PREFERENCES_TOPIC,
        event=lambda user, number: {"userId": user, "preferences": {f"preference-{number}": True}},
        query="SELECT (SELECT count(*) FROM ai_preference_versions), count(*) FROM users, jsonb_object_keys(ai_preferences)",
    ),
}
EVENTS = 3_000


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


async def test_a_database_that_is_away_keeps_no_worker_from_ending_and_the_next_one_answers(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    emulator.script([{"action": {"do": "slow", "seconds": 1}, "times": 8}])
    async with (
        forwarded_database(environ) as (forwarded, database),
        onlooker(environ["KAFKA_BOOTSTRAP_SERVERS"], COMPLETED_TOPIC, FAILED_TOPIC) as seen,
    ):
        hurried = {**forwarded, "GENERATION_DRAIN_SECONDS": "2"}
        async with beside(worker("generation", hurried, tmp_path)) as process:
            ids = await published(environ, 8)
            await reached(10, lambda: emulator.stats()["in_flight"] == len(ids))
            await database.close()
            await drained(process, within=2)
        with worker("generation", environ, tmp_path):
            await seen.wait_for(named(ids, COMPLETED_TOPIC), count=len(ids))
        assert endings_by_id(seen, ids) == Counter(ids)


async def test_a_database_that_is_away_keeps_no_sink_from_ending_and_the_next_one_stores(
    environ: dict[str, str], tmp_path: Path
) -> None:
    sink = SINKS["history-sink"]
    async with forwarded_database(environ) as (forwarded, database):
        hurried = {**forwarded, "SINK_DRAIN_SECONDS": "2"}
        async with beside(worker("history-sink", hurried, tmp_path)) as process:
            await reached(10, lambda: '"rebalanced"' in (tmp_path / "history-sink.log").read_text())
            await database.close()
            async with raw_producer(environ["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
                await producer.send_and_wait(sink.topic, json.dumps(sink.event(f"u-{uuid4()}", 1)).encode())
            await reached(10, lambda: "waiting for PostgreSQL" in (tmp_path / "history-sink.log").read_text())
            await drained(process, within=2)
    with worker("history-sink", environ, tmp_path):
        assert len(await rows(environ["DATABASE_URL"], "SELECT 1 FROM ai_generation_history", until=1)) == 1


async def test_a_broker_that_hangs_keeps_no_process_past_its_grace_time(migrated_template: str, tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack") as stack, running_emulator(tmp_path / "bill.jsonl") as emulator:
        endpoints = dict(stack.endpoints())
        emulator.script([{"action": {"do": "hang"}}])
        environ = {**settings(endpoints, endpoints["DATABASE_URL"], emulator), "GENERATION_DRAIN_SECONDS": "1"}
        environ["SINK_DRAIN_SECONDS"] = "1"
        for words in (("db", "migrate"), ("topics", "apply")):
            assert (
                await asyncio.to_thread(subprocess.run, [FANZGPT, *words], env=environ, check=False)
            ).returncode == 0
        [broker] = [server.pid for server in stack.status() if server.name.startswith("kafka")]
        assert broker is not None
        with ExitStack() as running:
            names = ("generation", "history-sink")
            processes = [running.enter_context(worker(name, environ, tmp_path)) for name in names]
            await published(environ, 8)
            async with raw_producer(environ["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
                event = SINKS["history-sink"].event(f"u-{uuid4()}", 1)
                await producer.send_and_wait(COMPLETED_TOPIC, json.dumps(event).encode())
            await reached(10, lambda: emulator.stats()["in_flight"] == 8)
            os.kill(broker, signal.SIGSTOP)
            try:
                for process in processes:
                    process.send_signal(signal.SIGTERM)
                for process in processes:
                    assert await asyncio.to_thread(process.wait, 9 + SLACK_SECONDS) in {0, 3}
            finally:
                os.kill(broker, signal.SIGCONT)
        for name in names:
            assert "Traceback" not in (tmp_path / f"{name}.log").read_text()


@asynccontextmanager
async def beside(block: AbstractContextManager[T]) -> AsyncIterator[T]:
    """The block, entered and left in a thread: what runs on this loop goes on meanwhile."""
    entered = await asyncio.to_thread(block.__enter__)
    try:
        yield entered
    finally:
        await asyncio.to_thread(block.__exit__, None, None, None)


@asynccontextmanager
async def forwarded_database(environ: dict[str, str]) -> AsyncIterator[tuple[dict[str, str], Forwarder]]:
    """Settings with the database at a second address, which can be cut."""
    parts = urlsplit(environ["DATABASE_URL"])
    login, _, server = parts.netloc.rpartition("@")
    async with forwarder(server) as database:
        await database.open()
        yield {**environ, "DATABASE_URL": urlunsplit(parts._replace(netloc=f"{login}@{database.address}"))}, database


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


@pytest.mark.parametrize("names", [("replica-a", "replica-b"), (None, None)], ids=["static", "dynamic"])
async def test_a_rolling_restart_under_load_bills_nothing_twice(
    names: tuple[str | None, ...], environ: dict[str, str], tmp_path: Path
) -> None:
    async with AsyncExitStack() as running:
        emulator = running.enter_context(running_emulator(tmp_path / "rolling.jsonl", latency="200ms"))
        environ = {**environ, "OPENAI_BASE_URL": emulator.openai_base_url}
        replicas = [{**environ, "KAFKA_GROUP_INSTANCE_ID": name} if name else environ for name in names]
        running.enter_context(worker("history-sink", environ, tmp_path))
        old = [running.enter_context(worker("generation", replica, tmp_path)) for replica in replicas]
        async with onlooker(environ["KAFKA_BOOTSTRAP_SERVERS"], COMPLETED_TOPIC, FAILED_TOPIC) as seen:
            publishing = asyncio.create_task(published(environ, 300, every=0.02))
            await reached(10, lambda: emulator.stats()["calls"] >= 40)
            for process, replica in zip(old, replicas, strict=True):
                await drained(process, within=2)
                await running.enter_async_context(beside(worker("generation", replica, tmp_path)))
            ids = await publishing
            await seen.wait_for(named(ids, COMPLETED_TOPIC), count=len(ids))
            await one_row_each(environ, seen, ids)
            await seen.read_all()
            assert endings_by_id(seen, ids) == Counter(ids)
        assert Counter(line["request_id"] for line in emulator.bill()) == Counter(ids)
    assert await outcomes(environ) == {"ok": len(ids)}


async def test_a_killed_worker_loses_nothing_and_bills_at_most_what_was_in_flight(
    environ: dict[str, str], tmp_path: Path
) -> None:
    most = 64
    environ = {**environ, "KAFKA_GROUP_INSTANCE_ID": "replica-a", "GENERATION_MAX_IN_FLIGHT": str(most)}
    sink = {name: value for name, value in environ.items() if name != "KAFKA_GROUP_INSTANCE_ID"}
    with running_emulator(tmp_path / "killed.jsonl", latency="200ms") as emulator, ExitStack() as running:
        environ["OPENAI_BASE_URL"] = emulator.openai_base_url
        running.enter_context(worker("history-sink", sink, tmp_path))
        async with onlooker(environ["KAFKA_BOOTSTRAP_SERVERS"], COMPLETED_TOPIC, FAILED_TOPIC) as seen:
            ids = await published(environ, 600)
            with worker("generation", environ, tmp_path) as process:
                await reached(15, lambda: emulator.stats()["finished"] >= len(ids) // 2)
                process.kill()
                process.wait()
                assert emulator.stats()["calls"] < len(ids)
            with worker("generation", environ, tmp_path):
                about = named(ids, COMPLETED_TOPIC)
                await reached_on(
                    seen, lambda: len({header(r, "request_id") for r in seen.records if about(r)}) == len(ids)
                )
                await one_row_each(environ, seen, ids)
        billed = Counter(line["request_id"] for line in emulator.bill())
    assert set(billed) == set(ids)
    again = billed.total() - len(ids)
    made = await outcomes(environ)
    assert made["ok"] == len(ids)
    # Whatever was billed twice stands in the ledger as a call whose outcome nobody knows.
    assert 0 < again <= made["unknown"] <= most


async def reached_on(seen: Onlooker, condition: Callable[[], bool], seconds: float = 20) -> None:
    """Read until the condition holds."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "not reached in time"
        await seen.read()
