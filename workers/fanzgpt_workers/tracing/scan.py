"""Reading stretches of the log, outside every group."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from fanzgpt_producers.security import Security
from fanzgpt_workers.core.origin import Origin, Partition
from fanzgpt_workers.errors import BrokerUnavailable
from fanzgpt_workers.groupless import open_groupless
from fanzgpt_workers.records import Record

_FETCH_MS: Final = 500
_IDLE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Offsets from `start` up to before `end` of one partition."""

    partition: Partition
    start: int
    end: int


class LogScan:
    """Reads the log; nothing it does moves anybody's offsets. Raises BrokerUnavailable."""

    def __init__(self, consumer: AIOKafkaConsumer, *, address: str) -> None:
        """Use `open_scan`."""
        self._consumer = consumer
        self._address = address

    async def partitions(self, topic: str) -> list[Partition]:
        """The topic's partitions; none where the topic does not exist."""
        if topic not in await self._consumer.topics():
            return []
        await self._consumer._client.add_topic(topic)  # noqa: SLF001  # has no public name without a subscription
        numbers = self._consumer.partitions_for_topic(topic) or set()
        return [Partition(topic, number) for number in sorted(numbers)]

    async def since(self, partitions: Collection[Partition], at: datetime) -> list[Stretch]:
        """What was written to the partitions from `at` until now; empty stretches left out."""
        if not partitions:
            return []
        instant = int(at.timestamp() * 1000)
        try:
            found = await self._consumer.offsets_for_times({TopicPartition(*p): instant for p in partitions})
            ends = await self._consumer.end_offsets([TopicPartition(*p) for p in partitions])
        except KafkaError as error:
            raise BrokerUnavailable(f"Kafka at {self._address}: {error}") from error
        return [
            Stretch(partition=Partition(*tp), start=first.offset, end=ends[tp])
            for tp, first in found.items()
            if first is not None and first.offset < ends[tp]
        ]

    async def latest(self, partitions: Collection[Partition], records: int) -> list[Stretch]:
        """The last offsets of each partition, `records` at most; a stretch may be empty, its end is the log's."""
        of_kafka = [TopicPartition(*partition) for partition in partitions]
        try:
            starts = await self._consumer.beginning_offsets(of_kafka)
            ends = await self._consumer.end_offsets(of_kafka)
        except KafkaError as error:
            raise BrokerUnavailable(f"Kafka at {self._address}: {error}") from error
        return [
            Stretch(partition=Partition(*tp), start=max(starts[tp], ends[tp] - records), end=ends[tp])
            for tp in of_kafka
        ]

    async def read(self, stretches: Collection[Stretch]) -> AsyncIterator[Record]:
        """The stretches' records, each partition's in order; ends with the stretches.

        Also ends when nothing more comes for 10 s: the rest is compacted away or not committed.
        """
        ends = {TopicPartition(*s.partition): s.end for s in stretches if s.start < s.end}
        self._assign({s.partition: s.start for s in stretches if s.start < s.end})
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while ends and loop.time() - heard < _IDLE_SECONDS:
            for record in await self._fetch(ends):
                if record.origin.offset < ends[TopicPartition(*record.origin.of)]:
                    yield record
                heard = loop.time()  # however long whoever reads them took
            for tp in [tp for tp, end in ends.items() if await self._consumer.position(tp) >= end]:
                del ends[tp]
                self._consumer.pause(tp)

    async def follow(self, positions: Mapping[Partition, int]) -> AsyncIterator[Record]:
        """Records from the positions on, for ever."""
        self._assign(positions)
        while True:
            for record in await self._fetch(()):
                yield record

    def _assign(self, positions: Mapping[Partition, int]) -> None:
        self._consumer.assign([TopicPartition(*partition) for partition in positions])
        for partition, offset in positions.items():
            self._consumer.seek(TopicPartition(*partition), offset)

    async def _fetch(self, only: Collection[TopicPartition]) -> list[Record]:
        try:
            batches = await self._consumer.getmany(*only, timeout_ms=_FETCH_MS)
        except KafkaError as error:
            raise BrokerUnavailable(f"Kafka at {self._address}: {error}") from error
        return [_record(each) for records in batches.values() for each in records]


@asynccontextmanager
async def open_scan(
    bootstrap_servers: str, *, security: Security | None = None, deadline: float = 15.0
) -> AsyncIterator[LogScan]:
    """Connect for the block; raises BrokerUnavailable, naming the address, when no broker answers."""
    async with open_groupless(
        bootstrap_servers, client_id="fanzgpt-scan", security=security, deadline=deadline
    ) as consumer:
        yield LogScan(consumer, address=bootstrap_servers)


def partition_of(key: str, partitions: Collection[Partition]) -> Partition | None:
    """Where records of this key are by Kafka's own partitioner, which every client of this system uses."""
    ordered = sorted(partitions)
    if not ordered:
        return None
    digest: int = murmur2(key.encode())
    return ordered[(digest & 0x7FFFFFFF) % len(ordered)]


def _record(each: Any) -> Record:
    return Record(Origin(each.topic, each.partition, each.offset), each.timestamp, each.key, each.value, each.headers)
