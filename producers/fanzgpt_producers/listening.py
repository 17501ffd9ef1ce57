"""The endings of all requests, as they are published: read by one client, for those of its own."""

import asyncio
import logging
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from fanzgpt_producers.consumers import begin
from fanzgpt_producers.endings import decode_ending
from fanzgpt_producers.security import Security
from fanzgpt_producers.waiting import Waiting
from fanzgpt_schemas.errors import ContractError
from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC

log = logging.getLogger(__name__)

TOPICS: Final = (COMPLETED_TOPIC, FAILED_TOPIC)
FETCH_WAIT_MS: Final = 500
# How late a partition that was added to a topic may be noticed; it is then read from its beginning.
METADATA_AGE_MS: Final = 10_000
PAUSE_SECONDS: Final = 0.5


class Listening:
    """Reads both topics of endings from where they end when it starts, in every partition, without a consumer group.

    Nothing published after `start` returned is missed: not while the broker is away, for reading goes on where it
    stopped, and not in a partition that is added later.
    """

    def __init__(self, bootstrap_servers: str, waiting: Waiting, *, client_id: str, security: Security) -> None:
        """`waiting` is given the endings that it expects."""
        self._bootstrap_servers = bootstrap_servers
        self._waiting = waiting
        self._client_id = client_id
        self._security = security
        self._positions: dict[TopicPartition, int] = {}
        self._following: asyncio.Task[None] | None = None

    async def start(self, *, deadline: float) -> None:
        """Find the ends and begin to read.

        Raises:
            TopicMissing: the brokers do not know one of the topics.
            BrokerUnavailable: they did not answer within `deadline` seconds.
        """
        consumer = self._consumer()
        self._positions = await begin(
            consumer, _ends, bootstrap_servers=self._bootstrap_servers, topics=TOPICS, deadline=deadline
        )
        self._following = asyncio.create_task(self._follow(consumer), name="fanzgpt-listening")
        self._following.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Read no more; whoever still waits is told."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
            self._following = None
        self._waiting.stop()

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        """Read for ever, with another consumer where one fails."""
        while True:
            try:
                self._resume(consumer)
                while True:
                    batches = await consumer.getmany(timeout_ms=FETCH_WAIT_MS)
                    for partition, records in batches.items():
                        for record in records:
                            self._take(record)
                        self._positions[partition] = records[-1].offset + 1
                    self._notice_added(consumer)
            except KafkaError as error:
                log.warning("reading the answers again from where it stopped: %s", error)
            finally:
                await consumer.stop()
            consumer = await self._reconnected()

    async def _reconnected(self) -> AIOKafkaConsumer:
        while True:
            consumer = self._consumer()
            try:
                await consumer.start()
            except KafkaError:
                await consumer.stop()
                await asyncio.sleep(PAUSE_SECONDS)
            except BaseException:
                await consumer.stop()
                raise
            else:
                return consumer

    def _resume(self, consumer: AIOKafkaConsumer) -> None:
        # Without a pause between the two, so that nothing is fetched from anywhere else.
        consumer.assign(list(self._positions))
        for partition, offset in self._positions.items():
            consumer.seek(partition, offset)

    def _notice_added(self, consumer: AIOKafkaConsumer) -> None:
        added = [partition for partition in _partitions(consumer) if partition not in self._positions]
        if added:
            self._positions.update(dict.fromkeys(added, 0))
            self._resume(consumer)

    def _take(self, record: ConsumerRecord) -> None:
        """Nearly all endings are somebody else's: the header says so before the value is looked at."""
        for name, value in record.headers:
            if name == "request_id" and value and not self._waiting.expects(value.decode(errors="replace")):
                return
        try:
            self._waiting.settle(decode_ending(record).event)
        except ContractError as error:
            log.debug("no ending: %s/%d/%d: %s", record.topic, record.partition, record.offset, error)

    def _ended(self, following: "asyncio.Task[None]") -> None:
        """A defect of ours ended the reading: say so, and leave nobody waiting for nothing."""
        if not following.cancelled():
            log.error("no answers are read any more", exc_info=following.exception())
            self._waiting.stop()

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap_servers,
            client_id=self._client_id,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # where retention was faster than we, what is left is read
            isolation_level="read_committed",
            metadata_max_age_ms=METADATA_AGE_MS,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            **self._security.options(),
        )


async def _ends(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    firsts = [TopicPartition(topic, 0) for topic in TOPICS]
    consumer.assign(firsts)
    await consumer.beginning_offsets(firsts)  # answers once the partitions of both topics are known
    return dict(await consumer.end_offsets(_partitions(consumer)))


def _partitions(consumer: AIOKafkaConsumer) -> list[TopicPartition]:
    return [
        TopicPartition(topic, partition)
        for topic in TOPICS
        for partition in sorted(consumer.partitions_for_topic(topic) or ())
    ]
