"""The verdict: every request, row, event, attempt and line of the provider's bill, held against each other."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from benchmarks.system import System

from fanzgpt_schemas.events import (
    ANALYTICS_TOPIC,
    BATCH_TOPIC,
    COMPLETED_TOPIC,
    DEAD_LETTER_TOPIC,
    FAILED_TOPIC,
    PREFERENCES_TOPIC,
    PRIORITY_TOPIC,
    REQUESTED_TOPIC,
)
from fanzgpt_schemas.identity import user_key
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_stack.emulator.signatures import signature_of, signatures_in
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.records import Record
from fanzgpt_workers.tracing.scan import Stretch, open_scan

Places: TypeAlias = Mapping[Partition, int]

REQUEST_TOPICS = (REQUESTED_TOPIC, PRIORITY_TOPIC, BATCH_TOPIC)
WRITTEN_TOPICS = (COMPLETED_TOPIC, FAILED_TOPIC, ANALYTICS_TOPIC, PREFERENCES_TOPIC, DEAD_LETTER_TOPIC)
NANODOLLARS = Decimal(1_000_000_000)

# An attempt of an epoch that was overtaken is one whose answer nobody waited for, whatever it was in the end.
_ATTEMPTS = """
SELECT attempt_id, request_id, outcome, cost_usd, outcome <> 'ok' OR made.epoch < held.epoch AS in_vain
FROM ai_attempts AS made JOIN ai_requests AS held USING (request_key)
"""
_WRONG_STATISTICS = """
SELECT count(*) FROM users AS u WHERE coalesce((u.ai_usage_stats ->> 'total_generations')::bigint, 0)
    <> (SELECT count(*) FROM ai_generation_history AS h WHERE h.user_id = u.id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was counted, and what is not as promised."""

    counts: Mapping[str, int | str]
    misses: Sequence[str]


async def ends_of(bootstrap: str) -> dict[Partition, int]:
    """Where every topic ends now."""
    async with open_scan(bootstrap) as scan:
        ends: dict[Partition, int] = {}
        for topic in (*REQUEST_TOPICS, *WRITTEN_TOPICS):
            stretches = await scan.latest(await scan.partitions(topic), records=0)
            ends |= {stretch.partition: stretch.end for stretch in stretches}
        return ends


async def judge(
    system: System,
    *,
    prefix: str,
    wanted: Sequence[GenerationRequested],
    since: Places,
    lost_calls: int,
    dead_letters: int,
) -> Judged:
    """Read everything; nothing may be running any more. `lost_calls` were in flight when something was killed."""
    bootstrap = system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]
    connection = await asyncpg.connect(system.endpoints["DATABASE_URL"])
    try:
        ledger = {row["request_id"]: row for row in await connection.fetch("SELECT * FROM ai_requests")}
        attempts = await connection.fetch(_ATTEMPTS)
        history = await connection.fetch("SELECT * FROM ai_generation_history")
        analytics = await connection.fetch("SELECT * FROM ai_analytics")
        wrong_statistics: int = await connection.fetchval(_WRONG_STATISTICS)
    finally:
        await connection.close()
    records = await _written(bootstrap, since)
    ids = {each.request_id for each in wanted}
    may_not_repeat = {each.request_id for each in wanted if each.on_unknown == "fail"}
    bill = system.emulator.bill()
    completed = {name for name, row in ledger.items() if row["state"] == "completed"}
    ended = {name for name, row in ledger.items() if row["state"] != "claimed"}
    endings: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.origin.topic in (COMPLETED_TOPIC, FAILED_TOPIC):
            endings[_header(record, "request_id")].add(_header(record, "ce_id"))
    rows = Counter(orjson.loads(row["metadata"])["requestId"] for row in history)
    told = Counter(orjson.loads(row["event_data"])["requestId"] for row in analytics)
    calls = Counter(line["request_id"] for line in bill)
    billed = Counter(line["request_id"] for line in bill if line["billed"])
    in_vain = Counter(row["request_id"] for row in attempts if row["in_vain"])
    letters = len({_header(record, "ce_id") for record in records if record.origin.topic == DEAD_LETTER_TOPIC})
    zero = {
        "requests lost": len(ids - ended),
        "requests without a published ending": len(ids - endings.keys()),
        "requests with two endings": sum(len(events) > 1 for events in endings.values()),
        "endings of no request": len(endings.keys() - ids) + len(ledger.keys() - ids),
        "second rows": sum(rows.values()) - len(rows) + sum(told.values()) - len(told),
        "rows missing": len(completed - rows.keys()) + len(ended - told.keys()),
        "phantom rows": len(rows.keys() - completed) + len(told.keys() - ended),
        "answers that the provider did not give": _unsigned(history, attempts),
        "users with wrong statistics": wrong_statistics,
        "users with wrong preferences": await _wrong_preferences(system, records),
        "calls without an attempt row": _unknown_to(attempts, bill),
        "attempts that differ from the bill": _differences(attempts, bill),
        "attempts left open": sum(row["outcome"] is None for row in attempts),
        "requests billed more often than is known": sum(number > 1 + in_vain[name] for name, number in billed.items()),
        "requests called twice against their wish": sum(calls[name] > 1 for name in may_not_repeat if billed[name] > 1),
        "requests not committed": await _uncommitted(bootstrap, f"{prefix}.generation"),
    }
    counts = {
        "requests": len(ids),
        "completed": len(completed),
        "failed": len(ended - completed),
        "calls": len(bill),
        "billed": sum(billed.values()),
        "outcomes unknown": sum(row["outcome"] == "unknown" for row in attempts),
        "completions on the topic": sum(record.origin.topic == COMPLETED_TOPIC for record in records),
        "dead letters": letters,
        "bill in USD": f"{sum(line['cost_nanodollars'] for line in bill) / NANODOLLARS:.6f}",
    }
    misses = [f"{what}: {number}, not 0" for what, number in zero.items() if number]
    if letters != dead_letters:
        misses.append(f"dead letters: {letters}, not {dead_letters}")
    if counts["outcomes unknown"] > lost_calls:
        misses.append(f"outcomes unknown: {counts['outcomes unknown']}, more than the {lost_calls} calls in flight")
    extra = sum(number - 1 for number in billed.values())
    if extra > lost_calls + sum(row["outcome"] not in ("ok", "unknown") for row in attempts):
        misses.append(f"billed again: {extra}, more than the {lost_calls} calls in flight")
    return Judged(counts={**counts, **zero}, misses=misses)


async def _written(bootstrap: str, since: Places) -> list[Record]:
    """What our processes have published since; the nemesis's own records have no id."""
    ends = await ends_of(bootstrap)
    stretches = [
        Stretch(partition=at, start=since.get(at, 0), end=end)
        for at, end in ends.items()
        if at.topic in WRITTEN_TOPICS and end > since.get(at, 0)
    ]
    async with open_scan(bootstrap) as scan:
        return [record async for record in scan.read(stretches) if _header(record, "ce_id")]


async def endings_at(bootstrap: str, since: Places) -> dict[str, float]:
    """When the ending of each request was first written to its topic, in seconds since the epoch."""
    at: dict[str, float] = {}
    for record in await _written(bootstrap, since):
        if record.origin.topic in (COMPLETED_TOPIC, FAILED_TOPIC):
            name, written = _header(record, "request_id"), record.timestamp_ms / 1000
            at[name] = min(at.get(name, written), written)
    return at


def _header(record: Record, name: str) -> str:
    return next((value.decode() for given, value in record.headers if given == name and value is not None), "")


def _unsigned(history: Sequence[Any], attempts: Sequence[Any]) -> int:
    """Answers in rows that no answered attempt of their request got from the provider."""
    signed: dict[str, set[str]] = defaultdict(set)
    for row in attempts:
        signed[row["request_id"]].add(signature_of(row["request_id"], str(row["attempt_id"])))
    return sum(
        not signed[orjson.loads(row["metadata"])["requestId"]] & set(signatures_in(row["output_data"]))
        for row in history
    )


def _unknown_to(attempts: Sequence[Any], bill: Sequence[Mapping[str, Any]]) -> int:
    known = {row["attempt_id"] for row in attempts}
    return sum(line["attempt_id"] is None or UUID(line["attempt_id"]) not in known for line in bill)


def _differences(attempts: Sequence[Any], bill: Sequence[Mapping[str, Any]]) -> int:
    """Answered attempts that are not on the bill, are on it twice, or cost something else there."""
    lines: dict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    for line in bill:
        if line["attempt_id"] is not None:
            lines[UUID(line["attempt_id"])].append(line)
    twice = sum(len(found) > 1 for found in lines.values())
    return twice + sum(
        [Decimal(line["cost_nanodollars"]) / NANODOLLARS for line in lines[row["attempt_id"]]] != [row["cost_usd"]]
        for row in attempts
        if row["outcome"] == "ok"
    )


async def _wrong_preferences(system: System, records: Sequence[Record]) -> int:
    """Users whose tone is not that of the highest version and id that was published; an example may state none."""
    highest: dict[str, tuple[int, str, str | None]] = {}
    for record in records:
        if record.origin.topic == PREFERENCES_TOPIC:
            event = orjson.loads(record.value or b"")
            stated = (event["version"], _header(record, "ce_id"), event["preferences"].get("tone"))
            highest[event["userId"]] = max(stated, highest.get(event["userId"], stated))
    connection = await asyncpg.connect(system.endpoints["DATABASE_URL"])
    try:
        found = await connection.fetch("SELECT id, ai_preferences ->> 'tone' AS tone FROM users")
    finally:
        await connection.close()
    tones = {row["id"]: row["tone"] for row in found}
    return sum(tone not in (None, tones.get(user_key(user))) for user, (_, _, tone) in highest.items())


async def _uncommitted(bootstrap: str, group: str) -> int:
    """Requests past the place from which the group would go on."""
    ends = await ends_of(bootstrap)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False) as consumer:
        left = 0
        for partition, end in ends.items():
            if partition.topic in REQUEST_TOPICS:
                committed = await consumer.committed(TopicPartition(*partition))
                left += end - (committed or 0)
        return left
