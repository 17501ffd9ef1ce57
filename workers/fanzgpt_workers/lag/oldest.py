"""The age of the record at an offset: read from the record itself, one fetch for many partitions at once."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from fanzgpt_producers.security import Security
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import BrokerUnavailable
from fanzgpt_workers.groupless import open_groupless

_FETCH_BYTES: Final = 16 * 1024
_FETCH_MS: Final = 200
_READ_SECONDS: Final = 5.0


class LogReader:
    """Reads ends and single records, outside every group: nothing it does moves anybody's offsets."""

    def __init__(self, consumer: AIOKafkaConsumer, *, address: str) -> None:
        """Use `open_log`."""
        self._consumer = consumer
        self._address = address

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, tuple[int, int]]:
        """The first offset that is kept and the next that will be written, of each partition."""
        if not partitions:
            return {}
        of_kafka = [TopicPartition(*partition) for partition in partitions]
        try:
            starts = await self._consumer.beginning_offsets(of_kafka)
            ends = await self._consumer.end_offsets(of_kafka)
        except KafkaError as error:
            raise BrokerUnavailable(f"Kafka at {self._address}: {error}") from error
        return {Partition(*tp): (starts[tp], ends[tp]) for tp in of_kafka}

    async def timestamps(self, stretches: Mapping[Partition, tuple[int, int]]) -> Mapping[Partition, int]:
        """The timestamp (ms) of the first record of each stretch of offsets, from its first to before its second.

        A partition is absent when its stretch holds no record: what was there is compacted away, belongs to an aborted
        transaction, or to one that has not ended within 5 s.
        """
        found: dict[Partition, int] = {}
        waiting = {TopicPartition(*partition): end for partition, (_, end) in stretches.items()}
        if not waiting:
            return found
        self._consumer.assign(list(waiting))
        for partition, (start, _) in stretches.items():
            self._consumer.seek(TopicPartition(*partition), start)
        try:
            async with asyncio.timeout(_READ_SECONDS):
                while waiting:
                    batches = await self._consumer.getmany(*waiting, timeout_ms=_FETCH_MS)
                    for tp, records in batches.items():
                        found[Partition(*tp)] = records[0].timestamp
                    for tp in [tp for tp in waiting if tp in batches or await self._passed(tp, waiting[tp])]:
                        del waiting[tp]
                        self._consumer.pause(tp)
        except TimeoutError:
            pass  # the absent ones are the answer
        except KafkaError as error:
            raise BrokerUnavailable(f"Kafka at {self._address}: {error}") from error
        finally:
            self._consumer.unsubscribe()
        return found

    async def _passed(self, tp: TopicPartition, end: int) -> bool:
        return bool(await self._consumer.position(tp) >= end)


@asynccontextmanager
async def open_log(
    bootstrap_servers: str, *, security: Security | None = None, deadline: float = 15.0
) -> AsyncIterator[LogReader]:
    """Connect for the block; raises BrokerUnavailable, naming the address, when no broker answers."""
    async with open_groupless(
        bootstrap_servers,
        client_id="fanzgpt-lag",
        security=security,
        deadline=deadline,
        partition_fetch_bytes=_FETCH_BYTES,
    ) as consumer:
        yield LogReader(consumer, address=bootstrap_servers)
