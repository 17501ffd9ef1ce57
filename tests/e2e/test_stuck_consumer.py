"""A consumer whose own tasks have died is opened anew in the same process, and nothing is lost or paid twice."""

import signal
import sys
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from tests.e2e import breaking_client
from tests.e2e.processes import worker
from tests.e2e.test_health import asked, metrics_port
from tests.e2e.waiting import beside, drained, reached

from fanzgpt_producers.client import GenerationClient
from fanzgpt_stack.emulator.testing import RunningEmulator

BREAKING = (sys.executable, str(Path(breaking_client.__file__)))
DEAF, LOST = signal.SIGUSR1, signal.SIGUSR2
GIVEN = {"topic": "yoga", "platform": "x"}


def stored(environ: dict[str, str]) -> int:
    with psycopg.connect(environ["DATABASE_URL"]) as connection:
        found = connection.execute("SELECT count(*) FROM ai_generation_history").fetchone()
    return int(found[0]) if found else 0


@pytest.fixture
def watched(environ: dict[str, str]) -> dict[str, str]:
    """Opened anew soon after it is known to be deaf, which takes twenty seconds."""
    return {**environ, "KAFKA_STUCK_SECONDS": "1"}


@pytest.mark.parametrize("breaks", [(DEAF, LOST), (LOST, DEAF)], ids=["the worker deaf", "the sink deaf"])
async def test_a_stuck_worker_and_a_stuck_sink_go_on_in_the_same_process(
    watched: dict[str, str], emulator: RunningEmulator, tmp_path: Path, breaks: tuple[int, int]
) -> None:
    folders = {name: tmp_path / name for name in ("generation", "history-sink")}
    for folder in folders.values():
        folder.mkdir()
    async with (
        beside(worker("generation", watched, folders["generation"], command=BREAKING)) as generation,
        beside(worker("history-sink", watched, folders["history-sink"], command=BREAKING)) as sink,
        GenerationClient(bootstrap_servers=watched["KAFKA_BOOTSTRAP_SERVERS"]) as client,
    ):
        first = await client.request("social-post", user_id=str(uuid4()), input=GIVEN)
        await first.result(timeout=30)
        await reached(20, lambda: stored(watched) == 1)
        for process, broken in zip((generation, sink), breaks, strict=True):
            process.send_signal(broken)
        later = [await client.request("social-post", user_id=str(uuid4()), input=GIVEN) for _ in range(12)]
        for handle in later:
            await handle.result(timeout=80)
        await reached(40, lambda: stored(watched) == 13)
        for name, process in (("generation", generation), ("history-sink", sink)):
            await reached(60, lambda it=folders[name] / f"{name}.log": "stuck while Kafka" in it.read_text())  # type: ignore[misc]
            await reached(20, lambda it=folders[name]: asked(metrics_port(it), "/health/ready")[0] == 200)  # type: ignore[misc]
            assert process.poll() is None
            await drained(process, within=20)
    assert emulator.totals()["billed"] == 13
