"""Workers that are replaced one after another, and one that is killed: what is billed, answered and stored."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
from tests.e2e.many_requests import endings_by_id, named, one_row_each, outcomes, published, reached_on
from tests.e2e.processes import worker
from tests.e2e.topics import header, onlooker
from tests.e2e.waiting import beside, drained, reached

from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_stack.emulator.testing import running_emulator


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


@pytest.mark.parametrize("stores", [False, True], ids=["nothing-kept", "answers-kept"])
async def test_a_killed_worker_loses_nothing_and_bills_at_most_what_was_in_flight(
    stores: bool, environ: dict[str, str], tmp_path: Path
) -> None:
    most = 64
    environ = {**environ, "KAFKA_GROUP_INSTANCE_ID": "replica-a", "GENERATION_MAX_IN_FLIGHT": str(most)}
    environ["OPENAI_STORE_ANSWERS"] = str(stores)
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
    # Whatever was billed twice stands in the ledger as a call whose outcome nobody knows. Where the provider keeps its
    # answers nothing is: only those stand there that never reached it.
    assert again <= made["unknown"] <= most
    assert again == 0 if stores else again > 0
