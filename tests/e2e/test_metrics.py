"""What an operator scrapes of processes that have worked."""

import json
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.processes import worker
from tests.e2e.rows import rows

from fanzgpt_producers.client import GenerationClient
from fanzgpt_stack.emulator.testing import RunningEmulator


def scraped(folder: Path, process: str) -> dict[str, float]:
    """The sum of every family's samples, of the process that became ready in the folder."""
    [ready] = folder.glob(f"{process}-*.json")
    port = json.loads(ready.read_text())["metricsPort"]
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            sample.name: sum(other.value for other in family.samples if other.name == sample.name)
            for family in families
            for sample in family.samples
        }


async def test_a_process_that_has_worked_shows_its_work(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    user, number = str(uuid4()), 20
    with ExitStack() as running:
        for name in ("generation", "history-sink"):
            running.enter_context(worker(name, environ, tmp_path))
        async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
            given = {"topic": "yoga", "platform": "x"}
            handles = [await client.request("social-post", user_id=user, input=given) for _ in range(number)]
            for handle in handles:
                await handle.result(timeout=30)
        query = "SELECT 1 FROM ai_generation_history WHERE user_id = $1::text::uuid"
        await rows(environ["DATABASE_URL"], query, user, until=number)
        generation, sink = scraped(tmp_path, "generation"), scraped(tmp_path, "history-sink")
    assert generation["fanzgpt_generations_total"] >= number
    assert generation["fanzgpt_records_consumed_total"] >= number
    assert generation["fanzgpt_events_published_total"] >= 2 * number
    assert generation["fanzgpt_publish_seconds_count"] >= 1
    assert generation["fanzgpt_provider_call_seconds_count"] >= number
    assert generation["fanzgpt_provider_call_seconds_sum"] >= number * 0.05
    for name in ("rows", "seconds"):
        assert generation[f"fanzgpt_ledger_flush_{name}_count"] >= 3
    assert generation["fanzgpt_in_flight_requests"] == 0
    assert generation["fanzgpt_oldest_in_flight_seconds"] == 0
    assert "fanzgpt_commit_gap_records" in generation
    assert sink["fanzgpt_records_consumed_total"] >= number
    assert sink["fanzgpt_sink_rows_total"] >= number
