"""Requests by the hundred, and what became of them: endings on the topics, rows, and calls in the ledger."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any
from uuid import uuid4

from tests.e2e.rows import rows, stored_past
from tests.e2e.topics import Onlooker, header, raw_producer

from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC, REQUESTED_TOPIC


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


async def reached_on(seen: Onlooker, condition: Callable[[], bool], seconds: float = 20) -> None:
    """Read until the condition holds."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "not reached in time"
        await seen.read()
