"""One idempotent Kafka producer, from its start to its end, however its broker behaves."""

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, Final, Literal

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.partitioner import murmur2

from fanzgpt_producers.record_size import record_size
from fanzgpt_producers.security import Security
from fanzgpt_schemas.codec import Encoded

Compression = Literal["none", "gzip"]

# A full batch makes senders wait until it is drained. Eight times the library's size halves the CPU per event at
# thousands of events a second; it stays far below the smallest max.message.bytes of topics.yaml.
BATCH_BYTES: Final = 131_072
# A request that a broker leaves unanswered is repeated over a new connection; the sequence numbers make that safe.
REQUEST_TIMEOUT_MS: Final = 10_000
CLOSING_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the brokers are and how to talk to them."""

    bootstrap_servers: str
    client_id: str
    compression: Compression
    security: Security


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    """Java's choice for keyed records, as aiokafka and kafkajs have it; the hash is pure Python, so it is kept."""
    return int(murmur2(key)) & 0x7FFFFFFF


def may_have_neighbours(event: Encoded) -> bool:
    """Whether the event shares its batch with others: then a batch that is too large says nothing about the event."""
    return record_size(event) <= BATCH_BYTES


class Connection:
    """A producer with `acks=all` and idempotence: within one connection nothing is written twice or out of order.

    After any failed event it must be retired: the library leaves a gap in its sequence numbers, and the broker refuses
    whatever follows on that partition.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        """Take over a started producer; `open` makes one."""
        self._producer = producer
        self._partitions: dict[str, list[TopicPartition]] = {}
        producer.client.cluster.add_listener(lambda _: self._partitions.clear())

    @classmethod
    async def open(cls, address: Address) -> "Connection":
        """Connect; raises KafkaError when no broker answers within the library's request time-out."""
        producer = AIOKafkaProducer(
            bootstrap_servers=address.bootstrap_servers,
            client_id=address.client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            compression_type=None if address.compression == "none" else address.compression,
            max_batch_size=BATCH_BYTES,
            max_request_size=2**31 - 1,  # sizes are checked before an event comes here
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            **address.security.options(),
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return cls(producer)

    async def enqueue(self, event: Encoded) -> "asyncio.Future[Any]":
        """Hand over one event; the future is done with the broker's acknowledgement.

        Waits for the topic's metadata and for room in its batch, for as long as the caller does.
        """
        partitions = self._partitions.get(event.topic) or await self._told(event.topic)
        # What the library's `send` comes down to, which builds sets of all topics and partitions for each event.
        future: asyncio.Future[Any] = await self._producer._message_accumulator.add_message(  # noqa: SLF001 - see above
            partitions[_hash(event.key) % len(partitions)],
            event.key,
            event.value,
            REQUEST_TIMEOUT_MS / 1000,
            headers=list(event.headers),
        )
        return future

    async def _told(self, topic: str) -> list[TopicPartition]:
        """The topic's partitions, kept until the next metadata; waits until the brokers tell of it."""
        numbers = await self._producer.partitions_for(topic)
        every = self._partitions[topic] = [TopicPartition(topic, number) for number in sorted(numbers)]
        return every

    def knows(self, topic: str) -> bool:
        """Whether the brokers have told of the topic."""
        return self._producer.client.cluster.partitions_for_topic(topic) is not None

    async def close(self, *, within: float) -> None:
        """Deliver what was handed over, for at most `within` seconds, and let go of the broker."""
        try:
            async with asyncio.timeout(within):
                await self._producer.flush()
        except TimeoutError:
            await self._abandon()
        await self._producer.stop()

    async def _abandon(self) -> None:
        """Give up what the broker does not take. The library has no call for it: its own `stop` waits for ever.

        In this order: no further request is begun, those under way lose their connection, nobody waits for metadata
        that no longer comes, and whoever waits for what is left undelivered is told so.
        """
        sender = self._producer._sender.sender_task  # noqa: SLF001 - see above
        sender.cancel()
        await self._producer.client.close()
        metadata = self._producer.client._md_update_fut  # noqa: SLF001 - see above
        if metadata is not None and not metadata.done():
            metadata.set_result(False)
        await asyncio.wait({sender}, timeout=CLOSING_SECONDS)
        accumulator = self._producer._message_accumulator  # noqa: SLF001 - see above
        for batch in [*accumulator._pending_batches, *chain(*accumulator._batches.values())]:  # noqa: SLF001 - see above
            batch.failure(KafkaConnectionError("given up"))
            batch._drain_waiter.exception()  # noqa: SLF001 - seen, whether or not anybody waits for it
