"""What the usage windows should hold, by PostgreSQL from the log, beside what was told on the topic."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from fanzgpt_schemas.codec import decode_event
from fanzgpt_schemas.usage import UsageWindow
from fanzgpt_workers.groupless import open_groupless

SQL: Final = (Path(__file__).parent / "usage_windows.sql").read_text()
COLUMNS: Final = {
    "shard": "int",
    "log_offset": "bigint",
    "event_id": "text",
    "at_ms": "bigint",
    "user_id": "text",
    "type": "text",
    "provider": "text",
    "model": "text",
    "failed": "boolean",
    "cached": "boolean",
    "input_tokens": "bigint",
    "output_tokens": "bigint",
    "cost_usd": "numeric",
    "latency_ms": "bigint",
}

Place = tuple[str, str, str, int, int]
Figures = tuple[int, int, int, int, int, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The figures that are exact, and the quantiles that are near."""

    figures: Figures
    quantiles: tuple[int | None, ...]


async def records(bootstrap: str, topic: str, since: dict[int, int] | None = None) -> AsyncIterator[Any]:
    """Every record of a topic that is there now, from the given offsets on."""
    async with open_groupless(bootstrap, client_id="truth") as consumer:
        places = await _places(consumer, topic)
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, (since or {}).get(place.partition, 0))
        while [place for place in places if await consumer.position(place) < ends[place]]:
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                for record in batch:
                    yield record


async def ends(bootstrap: str, topic: str) -> dict[int, int]:
    """Where each partition of a topic ends."""
    async with open_groupless(bootstrap, client_id="truth") as consumer:
        offsets = await consumer.end_offsets(await _places(consumer, topic))
        return {place.partition: offset for place, offset in offsets.items()}


async def _places(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    # Asks the brokers by name: a consumer without a subscription knows no topic yet.
    metadata = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - the library has no other way
    return [TopicPartition(topic, number) for number in metadata.partitions_for_topic(topic) or ()]


async def loaded(connection: asyncpg.Connection, bootstrap: str, topic: str, since: dict[int, int]) -> int:
    """The log of the events' topic as the table `log`; how many rows."""
    await connection.execute("DROP TABLE IF EXISTS log")
    await connection.execute(f"CREATE TABLE log ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
    rows: list[tuple[Any, ...]] = []
    number = 0

    async def flush() -> None:
        await connection.copy_records_to_table("log", records=rows)
        rows.clear()

    async for record in records(bootstrap, topic, since):
        headers, body = dict(record.headers), orjson.loads(record.value)
        data = body["data"]
        time = datetime.fromisoformat(headers["ce_time"].decode()).astimezone(UTC)
        rows.append(
            (
                record.partition,
                record.offset,
                headers["ce_id"].decode(),
                int(time.timestamp() * 1000),
                body["userId"],
                data["type"],
                data["provider"],
                data["model"],
                body["event"] == "generation-failed",
                data.get("cached", False),
                data["tokens"]["input"],
                data["tokens"]["output"],
                Decimal(repr(data["costUsd"])),
                data["latencyMs"],
            )
        )
        number += 1
        if len(rows) >= 20_000:
            await flush()
    await flush()
    return number


async def truth(connection: asyncpg.Connection, *, pane_ms: int, lateness_ms: int, panes: int) -> dict[Place, Truth]:
    """Every window that is final, by SQL."""
    sql = SQL.replace("$1", str(pane_ms)).replace("$2", str(lateness_ms)).replace("$3", str(panes))
    return {
        (row["dimension"], row["key"], row["kind"], row["shard"], int(row["window_end"])): Truth(
            figures=(
                row["requests"],
                row["failed"],
                row["cached"],
                row["input_tokens"],
                row["output_tokens"],
                row["cost_usd"].normalize(),
            ),
            quantiles=(row["p50"], row["p95"], row["p99"]),
        )
        for row in await connection.fetch(sql)
    }


@dataclass(slots=True, kw_only=True)
class Told:
    """What is on the topic: each window's facts, repeated ones counted, those that contradict themselves kept apart."""

    windows: dict[Place, Truth]
    repeated: int = 0
    contradicted: int = 0


async def told(bootstrap: str, since: dict[int, int]) -> Told:
    """The facts of `ai.usage.window` since those offsets."""
    found = Told(windows={})
    values: dict[str, bytes] = {}
    async for record in records(bootstrap, "ai.usage.window", since):
        place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        decoded = decode_event(UsageWindow, record.value, record.headers, **place)
        fact, identity = decoded.event, str(decoded.envelope.event_id)
        if identity in values:
            found.repeated += 1
            found.contradicted += values[identity] != record.value
            continue
        values[identity] = record.value
        end = int(fact.end.timestamp() * 1000)
        where = (fact.dimension, fact.key, fact.window, fact.shard, end)
        found.contradicted += where in found.windows
        found.windows[where] = Truth(
            figures=(
                fact.requests,
                fact.failed,
                fact.cached,
                fact.input_tokens,
                fact.output_tokens,
                Decimal(fact.cost_usd).normalize(),
            ),
            quantiles=(fact.p50_ms, fact.p95_ms, fact.p99_ms),
        )
    return found


def differences(expected: dict[Place, Truth], found: Told) -> list[str]:
    """Everything in which the two differ; a quantile may be off by 1 % and the rounding."""
    wrong = [f"{place}: not told" for place in expected.keys() - found.windows.keys()]
    wrong += [f"{place}: told, and is none" for place in found.windows.keys() - expected.keys()]
    for place in expected.keys() & found.windows.keys():
        want, got = expected[place], found.windows[place]
        if want.figures != got.figures:
            wrong.append(f"{place}: {got.figures} instead of {want.figures}")
        for quantile, near in zip(want.quantiles, got.quantiles, strict=True):
            if quantile is None or near is None or abs(near - quantile) > 0.0101 * quantile + 0.51:
                wrong.append(f"{place}: quantile {near} instead of {quantile}")
    return wrong
