"""Records that cannot be used, and records that come again."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from benchmarks.system import SINKS
from tests.chaos.arena import Arena, arena, wait_until
from tests.chaos.judging import endings_at, ends_of
from tests.chaos.outcome import Outcome
from tests.chaos.scenarios.crashes import died_at
from tests.e2e.topics import CONSUMED, raw_producer

from fanzgpt_stack.servers import StackServers
from fanzgpt_workers.core.origin import Partition

LATE_SECONDS = 1.0
READ = {process: CONSUMED[process] for process in ("generation", *SINKS)}
POISON: tuple[bytes | None, ...] = (
    None,
    b"",
    b"\xff\xfe\x00",
    b"{",
    b"[" * 100_000,
    b'"text"',
    b'{"userId": NaN}',
    b'{"userId": "u", "requestId": ' + b"9" * 5_000 + b"}",
    b'{"userId": "a\\ud800b", "type": "social-post"}',
    b'{"userId": 7, "input": {}}',
)
"""None of them names a sender who could be told."""

# Written anew by whoever hears of a request again, and of no meaning to anybody who reads rows.
TECHNICAL = {"ai_requests": ("updated_at", "published_at"), "ai_sink_offsets": ("updated_at", "next_offset")}
TABLES = (
    "users",
    "ai_user_ids",
    "ai_generation_history",
    "ai_analytics",
    "ai_preference_versions",
    "ai_requests",
    "ai_attempts",
    "ai_sink_offsets",
)


def poison(
    stack: StackServers, folder: Path, *, seed: int, requests: int, one_in: int, rate: float | None = None
) -> Outcome:
    """Every so many records one that nobody can read, on every topic; a reader dies after keeping one.

    With a `rate` as many requests follow at it, clean first and then with poison between them: what is late is told
    apart.
    """
    with arena(stack, folder, "poison", seed=seed, latency="20ms") as field:
        first = requests if rate is None else requests // 10
        field.load(first, rate=400)
        each = max(1, first // one_in)
        topics = [topic for consumed in READ.values() for topic in consumed]
        bootstrap = field.system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]
        asyncio.run(_poisoned(bootstrap, topics, each, field.random))
        field.fired["poison"] += each * len(topics)
        names = ("generation", *SINKS)
        doomed = [field.system.spawn(name, FANZGPT_CRASH_AT=f"after-letter:{min(3, each)}") for name in names]
        for process in doomed:
            died_at(field, process, "after-letter")
        for name in names:
            field.system.spawn(name)
        field.until_ended()
        wait_until(
            lambda: all(each.is_ready() for name in names for each in field.running(name)), "the processes are ready"
        )
        notes: dict[str, float] = {}
        if rate is not None:
            notes = _beside_poison(field, requests - first, rate, one_in, topics)
        letters = field.fired["poison"]
        required = {"poison": each * len(topics), **{f"{name} after-letter": 1 for name in names}}
        outcome = field.finish(required=required, dead_letters=letters, notes=notes)
        late = notes.get(LATER, 0.0)
        told = (f"neighbours of poison ended {late:.2f} s later, more than {LATE_SECONDS:g} s",)
        return outcome.with_misses(told if late > LATE_SECONDS else ())


LATER = "neighbours of poison later by, s (99th of 100)"


def _beside_poison(field: Arena, requests: int, rate: float, one_in: int, topics: Sequence[str]) -> dict[str, float]:
    """The same load without poison and with it; how much later its requests end."""
    bootstrap, taken = field.system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], []
    for is_poisoned in (False, True):
        load = field.load(requests // 2, rate=rate)
        if is_poisoned:
            each = max(1, len(load.wanted) // one_in)
            asyncio.run(_poisoned(bootstrap, topics, each, field.random, pause=load.seconds / each))
            field.fired["poison"] += each * len(topics)
        field.until_ended()
        ended = asyncio.run(endings_at(bootstrap, field.since))
        waits = sorted(ended[name] - at for name, at in load.published_at.items())
        taken.append(waits[len(waits) * 99 // 100])
    clean, poisoned = taken
    return {
        "from publishing to the ending, s (99th of 100)": round(clean, 2),
        "the same beside poison, s": round(poisoned, 2),
        LATER: round(poisoned - clean, 2),
    }


async def _poisoned(bootstrap: str, topics: Sequence[str], each: int, random: Random, *, pause: float = 0.0) -> None:
    async with raw_producer(bootstrap) as producer:
        partitions = {topic: sorted(await producer.partitions_for(topic)) for topic in topics}
        for _ in range(each):
            for topic in topics:
                await producer.send(topic, random.choice(POISON), b"key", partition=random.choice(partitions[topic]))
            await asyncio.sleep(pause)
        await producer.flush()


def replay(stack: StackServers, folder: Path, *, seed: int, requests: int, times: int = 2) -> Outcome:
    """All topics are read again from where the run began: every row stays as it is, and nobody calls a provider."""
    with arena(stack, folder, "replay", seed=seed, latency="20ms") as field:
        _everybody(field)
        field.load(requests, rate=400)
        field.until_ended()
        _all_read(field)
        before, calls = _dump(field), len(field.system.emulator.bill())
        misses: list[str] = []
        for _ in range(times):
            for name in ("generation", *SINKS):
                misses += field.drain(name)
            _rewound(field)
            field.fired["replay"] += 1
            _everybody(field)
            _all_read(field)
            after = _dump(field)
            misses += [f"{table} differs after a replay" for table in TABLES if before[table] != after[table]]
        again = len(field.system.emulator.bill()) - calls
        if again:
            misses.append(f"{again} calls were made by replays")
        outcome = field.finish(required={"replay": times})
        return outcome.with_misses(misses)


def _everybody(field: Arena) -> None:
    started = [field.system.spawn(name) for name in ("generation", *SINKS)]
    wait_until(lambda: all(each.is_ready() for each in started), "everybody is ready")


def _all_read(field: Arena) -> None:
    """Every group has committed past every record, also those that were published while it read."""
    wait_until(lambda: asyncio.run(_left(field)) == 0, "all is read")


async def _left(field: Arena) -> int:
    ends = await ends_of(field.system.endpoints["KAFKA_BOOTSTRAP_SERVERS"])
    places = [(await committed(field, process)).items() for process in READ]
    return sum(ends[at] - offset for each in places for at, offset in each)


async def committed(field: Arena, process: str) -> dict[Partition, int]:
    """From where the group of a process would go on, for each partition of its topics."""
    bootstrap = field.system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=f"{field.prefix}.{process}", enable_auto_commit=False
    ) as consumer:
        return {
            at: await consumer.committed(TopicPartition(*at)) or 0 for at in field.since if at.topic in READ[process]
        }


def _rewound(field: Arena) -> None:
    """Every group stands where the run began, and no sink knows of its own place any more."""

    async def rewind() -> None:
        for process, topics in READ.items():
            async with AIOKafkaConsumer(
                bootstrap_servers=field.system.endpoints["KAFKA_BOOTSTRAP_SERVERS"],
                group_id=f"{field.prefix}.{process}",
                enable_auto_commit=False,
            ) as consumer:
                began = {TopicPartition(*at): offset for at, offset in field.since.items() if at.topic in topics}
                consumer.assign(list(began))
                await consumer.commit(began)

    asyncio.run(rewind())
    with psycopg.connect(field.system.endpoints["DATABASE_URL"]) as connection:
        connection.execute("DELETE FROM ai_sink_offsets")


def _dump(field: Arena) -> Mapping[str, list[Any]]:
    """Every table's rows as JSON, without what is technical."""
    found: dict[str, list[Any]] = {}
    with psycopg.connect(field.system.endpoints["DATABASE_URL"]) as connection:
        for table in TABLES:
            without = "".join(f" - '{column}'" for column in TECHNICAL.get(table, ()))
            query = f"SELECT (to_jsonb(each){without})::text FROM {table} AS each ORDER BY 1"
            found[table] = connection.execute(query.encode()).fetchall()
    return found
