"""A request becomes rows: real processes by command line, real servers, and a provider that keeps its own bill."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

import asyncpg
import pytest

from fanzgpt_producers.client import GenerationClient
from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_stack.servers import StackServers

PROCESSES = ("generation", "history-sink", "analytics-sink", "preferences-sink")
TYPES = {
    "social-post": {"topic": "morning workout", "platform": "instagram"},
    "personalized-message": {"recipientId": "fan-1", "context": "thanks for the tip", "relationship": "subscriber"},
    "chat-response": {"message": "how was your day?", "history": []},
    "conversation-starters": {"count": 3},
    "content-calendar": {"timeframe": "3 days", "preferences": {"tone": "warm"}},
    "performance-analysis": {"timeframe": "last week"},
}


@contextmanager
def worker(name: str, environ: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One process that is ready; ended with the block if it still runs."""
    ready = folder / f"{name}-{uuid4().hex[:6]}.json"
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("fanzgpt")), "worker", name],
            env={**environ, "READY_FILE": str(ready)},
            stdout=output,
            stderr=output,
        )
    try:
        until = monotonic() + 40
        while not ready.exists():
            assert process.poll() is None, log.read_text()
            assert monotonic() < until, log.read_text()
            sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[RunningEmulator]:
    with running_emulator(tmp_path / "bill.jsonl", latency="50ms") as running:
        yield running


@pytest.fixture
def environ(stack: StackServers, migrated_database_url: str, emulator: RunningEmulator) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": stack.endpoints()["KAFKA_BOOTSTRAP_SERVERS"],
        "KAFKA_GROUP_PREFIX": f"test-{uuid4().hex[:8]}",
        "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
        "DATABASE_URL": migrated_database_url,
        "REDIS_URL": stack.endpoints()["REDIS_URL"],
        "OPENAI_BASE_URL": emulator.openai_base_url,
        "OPENAI_API_KEY": "test",
        "UNKNOWN_USERS": "create",
        "METRICS_PORT": "0",
        "FEATURE_CONTENT_GENERATION": "true",
        "FEATURE_CHAT_ASSISTANCE": "true",
        "LOG_FORMAT": "json",
    }
    applied = subprocess.run(
        [str(Path(sys.executable).with_name("fanzgpt")), "topics", "apply"],
        env={**kept, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert applied.returncode == 0, applied.stdout + applied.stderr
    return {**kept, **settings}


async def rows(url: str, query: str, *arguments: object, until: int, seconds: float = 30) -> list[asyncpg.Record]:
    """What the query finds, once it finds `until` rows."""
    connection = await asyncpg.connect(url)
    try:
        end = monotonic() + seconds
        while True:
            found = await connection.fetch(query, *arguments)
            if len(found) >= until or monotonic() > end:
                return list(found)
            await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def test_each_text_type_becomes_an_answer_a_history_row_and_an_analytics_row(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    user = str(uuid4())
    with ExitStack() as running:
        processes = [running.enter_context(worker(name, environ, tmp_path)) for name in PROCESSES]
        async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
            handles = [
                await client.request(kind, user_id=user, input=given)  # type: ignore[arg-type]  # the types' names
                for kind, given in TYPES.items()
            ]
            answers = await asyncio.gather(*(handle.result(timeout=40) for handle in handles))
        url = environ["DATABASE_URL"]
        history = await rows(
            url, "SELECT * FROM ai_generation_history WHERE user_id = $1::text::uuid", user, until=len(TYPES)
        )
        assert sorted(r["generation_type"] for r in history) == sorted(TYPES)
        stored = {json.loads(r["metadata"])["requestId"]: json.loads(r["output_data"]) for r in history}
        assert stored == {answer.request_id: answer.output for answer in answers}
        analytics = await rows(url, "SELECT * FROM ai_analytics WHERE user_id = $1::text::uuid", user, until=len(TYPES))
        assert len(analytics) == len(TYPES)
        [counted] = await rows(
            url, "SELECT * FROM users WHERE ai_preferences <> '{}' AND id = $1::text::uuid", user, until=1
        )
        assert json.loads(counted["ai_usage_stats"])["total_generations"] == len(TYPES)
        assert json.loads(counted["ai_preferences"]) == {"tone": "warm"}
        mine = [line for line in emulator.bill() if line["request_id"] in stored]
        assert len(mine) == len(TYPES)
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(20) for process in processes] == [0] * len(processes)
