"""Topics as any Kafka client sees them: raw records in, raw records out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from fanzgpt_schemas.codec import decode_event
from fanzgpt_schemas.events import (
    ANALYTICS_TOPIC,
    BATCH_TOPIC,
    COMPLETED_TOPIC,
    PREFERENCES_TOPIC,
    PRIORITY_TOPIC,
    REQUESTED_TOPIC,
)
from fanzgpt_schemas.facts import DeadLetter
from fanzgpt_schemas.generation import GenerationCompleted, GenerationFailed

CONSUMED = {
    "generation": (REQUESTED_TOPIC, PRIORITY_TOPIC, BATCH_TOPIC),
    "history-sink": (COMPLETED_TOPIC,),
    "analytics-sink": (ANALYTICS_TOPIC,),
    "preferences-sink": (PREFERENCES_TOPIC,),
    "streams": (ANALYTICS_TOPIC,),
}


async def begin_here(bootstrap: str, prefix: str) -> None:
    """Let a prefix's groups begin where their topics end now: what earlier tests sent is none of their business."""
    for process, topics in CONSUMED.items():
        async with AIOKafkaConsumer(
            bootstrap_servers=bootstrap, group_id=f"{prefix}.{process}", enable_auto_commit=False
        ) as consumer:
            partitions = await _partitions(consumer, topics)
            consumer.assign(partitions)
            await consumer.commit(await consumer.end_offsets(partitions))


@asynccontextmanager
async def raw_producer(bootstrap: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that knows nothing of our contract."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", **options) as producer:
        yield producer


@dataclass(slots=True)
class Onlooker:
    """Reads every record of some topics that is written after it came, committed transactions only."""

    consumer: AIOKafkaConsumer
    records: list[Any] = field(default_factory=list)

    async def wait_for(self, wanted: Callable[[Any], bool], *, count: int = 1, seconds: float = 20) -> list[Any]:
        """The wanted records, in the order they were read, once there are `count`; fails when the time is up."""
        end = monotonic() + seconds
        while True:
            found = [record for record in self.records if wanted(record)]
            if len(found) >= count:
                return found
            assert monotonic() < end, f"{len(found)} of {count} records came within {seconds:g} s"
            await self.read()

    async def read(self, seconds: float = 0.1) -> None:
        """Read what is there now."""
        for batch in (await self.consumer.getmany(timeout_ms=int(seconds * 1000))).values():
            self.records.extend(batch)

    async def read_all(self) -> None:
        """Read everything that was written before this call."""
        ends = await self.consumer.end_offsets(list(self.consumer.assignment()))
        while any([await self.consumer.position(partition) < end for partition, end in ends.items()]):
            await self.read()


@asynccontextmanager
async def onlooker(bootstrap: str, *topics: str) -> AsyncIterator[Onlooker]:
    """An onlooker from now on."""
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", fetch_max_wait_ms=50
    ) as consumer:
        partitions = await _partitions(consumer, topics)
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        await asyncio.gather(*(consumer.position(partition) for partition in partitions))
        yield Onlooker(consumer)


def header(record: Any, name: str) -> str | None:
    """A record's header, as text."""
    return next((value.decode() for given, value in record.headers if given == name), None)


def letter(record: Any) -> DeadLetter:
    """A record of the dead-letter topic, read."""
    return _event(DeadLetter, record)


def failure(record: Any) -> GenerationFailed:
    """A record of the topic of failures, read."""
    return _event(GenerationFailed, record)


def completion(record: Any) -> GenerationCompleted:
    """A record of the topic of completions, read."""
    return _event(GenerationCompleted, record)


def _event(model: type[Any], record: Any) -> Any:
    return decode_event(
        model, record.value, record.headers, topic=record.topic, partition=record.partition, offset=record.offset
    ).event


async def _partitions(consumer: AIOKafkaConsumer, topics: tuple[str, ...]) -> list[TopicPartition]:
    # Asks the brokers by name: a consumer without a subscription knows no topic yet.
    metadata = await consumer._client.fetch_all_metadata()
    return [TopicPartition(topic, number) for topic in topics for number in metadata.partitions_for_topic(topic) or ()]
