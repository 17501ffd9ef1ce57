"""The same question many times: one call, and an answer, a ledger row and events for everybody who asked."""

import json
from collections import Counter
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.processes import worker
from tests.e2e.rows import rows

from fanzgpt_producers.client import GenerationClient
from fanzgpt_stack.emulator.testing import RunningEmulator

GIVEN = {"topic": "yoga", "platform": "x"}
ENDED = "SELECT * FROM ai_requests WHERE user_id = $1 AND published_at IS NOT NULL"


def lookups(folder: Path) -> Counter[str]:
    """What the generation workers say of the questions they were asked, together."""
    found: Counter[str] = Counter()
    for ready in folder.glob("generation-*.json"):
        port = json.loads(ready.read_text())["metricsPort"]
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for sample in family.samples:
                    if sample.name == "fanzgpt_cache_lookups_total":
                        found[sample.labels["result"]] += int(sample.value)
    return found


async def test_of_a_hundred_who_ask_the_same_at_once_in_two_workers_one_is_called_for(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    user, number = f"user-{uuid4().hex[:8]}", 100
    sharing = {
        **environ,
        "AI_CACHE_TTL_SECONDS": "3600",
        "GENERATION_USER_MAX_IN_FLIGHT": "100",
        "OPENAI_PRICED_AS": "openai",
    }
    emulator.script([{"action": {"do": "slow", "seconds": 1.5}}])
    with ExitStack() as running:
        for _ in range(2):
            running.enter_context(worker("generation", sharing, tmp_path))
        async with AIOKafkaProducer(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
            asked = {"userId": user, "type": "social-post", "input": GIVEN}
            for each in range(number):  # without a key they go to every partition, and to both workers
                value = json.dumps({**asked, "requestId": f"r-{each}"}).encode()
                await producer.send("ai.generation.requested", value, partition=each % 12)
        ended = await rows(environ["DATABASE_URL"], ENDED, user, until=number)
        told = lookups(tmp_path)
    assert [row["state"] for row in ended] == ["completed"] * number
    assert len({row["owner"] for row in ended}) == 2
    attempts = await rows(environ["DATABASE_URL"], "SELECT * FROM ai_attempts", until=1)
    assert len(attempts) == emulator.totals()["calls"] == 1
    cost = attempts[0]["cost_usd"]
    assert abs(cost - Decimal(emulator.totals()["cost_usd"])) < Decimal("1e-9")
    [caller] = [row["request_id"] for row in ended if row["cached_from"] is None]
    shared = [row for row in ended if row["cached_from"] is not None]
    assert {(row["cached_from"], row["saved_usd"]) for row in shared} == {(caller, cost)}
    outputs = []
    for row in ended:
        completed, analytics = (json.loads(event["value"]) for event in json.loads(row["outbox"]))
        assert completed["requestId"] == analytics["data"]["requestId"] == row["request_id"]
        assert completed["metadata"].get("cached", False) is (row["request_id"] != caller)
        outputs.append(completed["output"])
        if row in shared:
            said = completed["metadata"]
            assert (said["costUsd"], said["cachedFrom"], said["savedUsd"]) == (0, caller, float(cost))
            assert "tokens" not in said
    assert all(output == outputs[0] for output in outputs)
    assert told["called"] == 1
    assert told["shared"] + told["kept"] == number - 1


async def test_another_user_another_question_and_a_conversation_are_called_for_and_so_is_all_without_a_redis(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    sharing = {**environ, "AI_CACHE_TTL_SECONDS": "3600", "AI_CACHE_TYPES": "social-post,chat-response"}
    user, other = str(uuid4()), str(uuid4())
    async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:

        async def ask(kind: str, user_id: str, given: dict[str, object], **more: str) -> bool:
            handle = await client.request(kind, user_id=user_id, input=given, **more)  # type: ignore[arg-type]
            return (await handle.result(timeout=30)).metadata.cached

        with worker("generation", sharing, tmp_path):
            assert not await ask("social-post", user, GIVEN)
            assert await ask("social-post", user, GIVEN)
            assert not await ask("social-post", other, GIVEN)
            assert not await ask("social-post", user, {**GIVEN, "topic": "tea"})
            assert not await ask("conversation-starters", user, {"count": 1})
            assert not await ask("conversation-starters", user, {"count": 1})
            for _ in range(2):
                assert not await ask("chat-response", user, {"message": "hi"}, conversation_id="c-1")
        called = emulator.totals()["calls"]
        assert called == 7
        with worker("generation", {**sharing, "REDIS_URL": "redis://127.0.0.1:1/0"}, tmp_path):
            for _ in range(2):
                assert not await ask("social-post", user, GIVEN)
        assert emulator.totals()["calls"] == called + 2
    assert "answering without the cache" in (tmp_path / "generation.log").read_text()
