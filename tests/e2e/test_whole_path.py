"""A request becomes rows: real processes by command line, real servers, and a provider that keeps its own bill."""

import asyncio
import json
import signal
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

from tests.e2e.processes import PROCESSES, worker
from tests.e2e.rows import rows

from fanzgpt_producers.client import GenerationClient
from fanzgpt_stack.emulator.testing import RunningEmulator

TYPES = {
    "social-post": {"topic": "morning workout", "platform": "instagram"},
    "personalized-message": {"recipientId": "fan-1", "context": "thanks for the tip", "relationship": "subscriber"},
    "chat-response": {"message": "how was your day?", "history": []},
    "conversation-starters": {"count": 3},
    "content-calendar": {"timeframe": "3 days", "preferences": {"tone": "warm"}},
    "performance-analysis": {"timeframe": "last week"},
}


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
