"""The half-price lane from the topic to the answers, over workers that are killed between every two of its steps."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.e2e.many_requests import endings_by_id, named, reached_on
from tests.e2e.processes import starting, worker
from tests.e2e.rows import rows
from tests.e2e.topics import header, onlooker, raw_producer
from tests.e2e.waiting import drained

from fanzgpt_schemas.events import BATCH_TOPIC, COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_stack.emulator.testing import RunningEmulator

COUNT = 60
STEPS = (
    "after-hold",
    "after-form",
    "after-attempt",
    "after-create",
    "after-find",
    "after-created-noted",
    "after-save",
    "after-first-publish",
    "after-drop",
)


def batching(environ: dict[str, str], **changed: str) -> dict[str, str]:
    return {
        **environ,
        "KAFKA_GROUP_INSTANCE_ID": "the-only-one",
        "OPENAI_PRICED_AS": "openai",
        "BATCH_PROVIDERS": "openai",
        "BATCH_AGE_SECONDS": "0.5",
        "BATCH_POLL_SECONDS": "0.2",
        "BATCH_LEASE_SECONDS": "1",
        **changed,
    }


async def published(environ: dict[str, str], count: int, *, due: timedelta) -> list[str]:
    run, deadline = uuid4().hex[:8], (datetime.now(UTC) + due).isoformat()
    ids = [f"{run}-{number}" for number in range(count)]
    async with raw_producer(environ["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
        for number, request_id in enumerate(ids):
            body = {
                "requestId": request_id,
                "userId": f"{run}-user-{number % 7}",
                "type": "social-post",
                "input": {"topic": f"workout {number}", "platform": "x"},
                "deadline": deadline,
            }
            await producer.send(BATCH_TOPIC, json.dumps(body).encode(), key=str(body["userId"]).encode())
        await producer.flush()
    return ids


async def calls_of(environ: dict[str, str], ids: Sequence[str]) -> list[Any]:
    return list(
        await rows(
            environ["DATABASE_URL"],
            "SELECT request_id, attempt_id, outcome, cost_usd, cause FROM ai_attempts JOIN ai_requests "
            "USING (request_key) WHERE request_id = ANY ($1::text[])",
            ids,
            until=len(ids),
        )
    )


async def test_a_worker_killed_between_every_two_steps_pays_once_and_half_and_ends_each_request_once(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    settings = batching(environ)
    async with onlooker(environ["KAFKA_BOOTSTRAP_SERVERS"], COMPLETED_TOPIC, FAILED_TOPIC) as seen:
        ids = await published(environ, COUNT, due=timedelta(days=1))
        for step in STEPS:
            with starting("generation", {**settings, "FANZGPT_CRASH_AT": step}, tmp_path / "generation.log") as doomed:
                assert await asyncio.to_thread(doomed.wait, 60) == -9, step
        about = named(ids, COMPLETED_TOPIC, FAILED_TOPIC)
        with worker("generation", settings, tmp_path):
            await reached_on(
                seen, lambda: len({header(r, "request_id") for r in seen.records if about(r)}) == COUNT, seconds=60
            )
            await rows(
                environ["DATABASE_URL"],
                "SELECT 1 FROM (SELECT count(*) AS n FROM ai_batch_calls) c WHERE n = 0",
                until=1,
            )
        events = {(header(r, "request_id"), header(r, "ce_id"), r.topic) for r in seen.records if about(r)}
    assert Counter(request_id for request_id, _, _ in events) == Counter(ids)
    assert {topic for _, _, topic in events} == {COMPLETED_TOPIC}
    calls = await calls_of(environ, ids)
    by_attempt = {call["attempt_id"].hex: call for call in calls}
    billed = [line for line in emulator.bill() if line["billed"]]
    assert Counter(by_attempt[line["attempt_id"]]["request_id"] for line in billed) == Counter(ids)
    assert {line["outcome"] for line in billed} == {"batch"}
    standard = sum(line["input_tokens"] * 150 + line["output_tokens"] * 600 for line in billed)
    assert emulator.totals()["cost_nanodollars"] * 2 == standard
    ledger = sum(call["cost_usd"] for call in calls if call["cost_usd"] is not None)
    assert round(ledger * 10**9) == emulator.totals()["cost_nanodollars"]


async def test_what_a_batch_does_not_do_in_time_is_called_for_by_itself(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    emulator.batches(seconds=3600)
    settings = batching(environ, BATCH_LEAST_SECONDS="10", BATCH_LEAD_SECONDS="30")
    with ExitStack() as running:
        running.enter_context(worker("generation", settings, tmp_path))
        async with onlooker(environ["KAFKA_BOOTSTRAP_SERVERS"], COMPLETED_TOPIC, FAILED_TOPIC) as seen:
            ids = await published(environ, 10, due=timedelta(seconds=34))
            about = named(ids, COMPLETED_TOPIC)
            await reached_on(seen, lambda: len([r for r in seen.records if about(r)]) == len(ids), seconds=34)
            assert endings_by_id(seen, ids) == Counter(ids)
    calls = await calls_of(environ, ids)
    assert Counter((call["cause"], call["outcome"]) for call in calls) == Counter(
        {("batch", "overloaded"): len(ids), ("redelivery", "ok"): len(ids)}
    )
    assert emulator.totals()["billed"] == len(ids)


async def test_without_providers_nothing_goes_in_and_whatever_was_in_comes_out(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    emulator.batches(seconds=4)
    url = environ["DATABASE_URL"]
    async with onlooker(environ["KAFKA_BOOTSTRAP_SERVERS"], COMPLETED_TOPIC, FAILED_TOPIC) as seen:
        with worker("generation", batching(environ), tmp_path) as first:
            handed_over = await published(environ, 5, due=timedelta(days=1))
            await rows(url, "SELECT 1 FROM ai_batches WHERE batch_id IS NOT NULL", until=1)
            await drained(first, within=20)
        with worker("generation", batching(environ, BATCH_AGE_SECONDS="3600"), tmp_path) as second:
            waiting = await published(environ, 5, due=timedelta(days=1))
            await rows(url, "SELECT 1 FROM ai_batch_calls WHERE batch_key IS NULL", until=5)
            await drained(second, within=20)
        with worker("generation", batching(environ, BATCH_PROVIDERS=""), tmp_path):
            new = await published(environ, 5, due=timedelta(days=1))
            ids = [*handed_over, *waiting, *new]
            about = named(ids, COMPLETED_TOPIC)
            await reached_on(seen, lambda: len([r for r in seen.records if about(r)]) == len(ids), seconds=40)
            await rows(url, "SELECT 1 FROM (SELECT count(*) AS n FROM ai_batch_calls) c WHERE n = 0", until=1)
        assert endings_by_id(seen, ids) == Counter(ids)
    assert Counter(line["outcome"] for line in emulator.bill() if line["billed"]) == {"batch": 5, "ok": 10}
