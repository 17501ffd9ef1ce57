"""A server that is away or hangs keeps no process from ending, and costs nobody an answer or a row."""

import asyncio
import json
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

from tests.e2e.forwarder import forwarded_database
from tests.e2e.many_requests import endings_by_id, named, published
from tests.e2e.processes import FANZGPT, settings, worker
from tests.e2e.rows import rows
from tests.e2e.sink_events import SINKS
from tests.e2e.topics import onlooker, raw_producer
from tests.e2e.waiting import SLACK_SECONDS, beside, drained, reached
from tests.halting import halted

from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_stack.testing import running_stack
from fanzgpt_workers.stores.migrate import migrate


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


async def test_a_broker_that_hangs_keeps_no_process_past_its_grace_time(tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack") as stack, running_emulator(tmp_path / "bill.jsonl") as emulator:
        endpoints = dict(stack.endpoints())
        emulator.script([{"action": {"do": "hang"}}])
        environ = {**settings(endpoints, endpoints["DATABASE_URL"], emulator), "GENERATION_DRAIN_SECONDS": "0"}
        environ["SINK_DRAIN_SECONDS"] = "0"
        migrate(endpoints["DATABASE_URL"])
        applying = await asyncio.create_subprocess_exec(FANZGPT, "topics", "apply", env=environ)
        assert await applying.wait() == 0
        [broker] = [server.pid for server in stack.status() if server.name.startswith("kafka")]
        assert broker is not None
        with ExitStack() as running:
            names = ("generation", "history-sink")
            processes = await asyncio.gather(
                *(asyncio.to_thread(running.enter_context, worker(name, environ, tmp_path)) for name in names)
            )
            await published(environ, 8)
            async with raw_producer(environ["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
                event = SINKS["history-sink"].event(f"u-{uuid4()}", 1)
                await producer.send_and_wait(COMPLETED_TOPIC, json.dumps(event).encode())
            await reached(10, lambda: emulator.stats()["in_flight"] == 8)
            with halted(broker):
                for process in processes:
                    process.send_signal(signal.SIGTERM)
                for process in processes:
                    # 0 where everything could be closed without the broker, 3 where something held on to it.
                    assert await asyncio.to_thread(process.wait, 9 + SLACK_SECONDS) in (0, 3)
        for name in names:
            assert "Traceback" not in (tmp_path / f"{name}.log").read_text()
