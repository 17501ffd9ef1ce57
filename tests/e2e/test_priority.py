"""The three topics share a worker by their weights: people who wait come first, and a backlog still moves."""

from pathlib import Path
from uuid import uuid4

from tests.e2e.processes import worker
from tests.e2e.waiting import beside, reached

from fanzgpt_producers import Priority
from fanzgpt_producers.client import GenerationClient
from fanzgpt_stack.emulator.testing import RunningEmulator

GIVEN = {"topic": "yoga", "platform": "x"}


async def test_priority_overtakes_a_backlog_and_the_backlog_still_moves(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    topics: tuple[Priority, ...] = ("batch", "standard", "priority")
    topic_of: dict[str, str] = {}
    async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
        for priority in topics:
            for _ in range(26):
                handle = await client.request("social-post", user_id=str(uuid4()), input=GIVEN, priority=priority)
                topic_of[handle.request_id] = priority
        async with beside(worker("generation", {**environ, "GENERATION_MAX_IN_FLIGHT": "1"}, tmp_path)):
            await reached(60, lambda: emulator.stats()["finished"] >= 39)
    order = [topic_of[line["request_id"]] for line in emulator.bill()[:39]]
    # Whatever was fetched first had the first turns; from then on it is eight, four and one of thirteen.
    assert order.count("priority") >= 20
    assert order.count("standard") >= 8
    assert order.count("batch") >= 1
