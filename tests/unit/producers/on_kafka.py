"""What the tests of publishing and listening do with a real broker."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from tests.halting import halted


async def create_topic(
    bootstrap: str, name: str, *, partitions: int = 3, settings: Mapping[str, str] | None = None
) -> str:
    """The topic, whether it was there before or not."""
    async with admin(bootstrap) as client:
        await client.create_topics([NewTopic(name, partitions, 1, topic_configs=dict(settings or {}))])
    return name


@asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def read_topic(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """Every record up to the present end, partition by partition, each in its order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        first = TopicPartition(topic, 0)
        consumer.assign([first])
        await consumer.beginning_offsets([first])
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
        ends = await consumer.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        for partition, end in ends.items():
            consumer.assign([partition])
            consumer.seek(partition, 0)
            at = 0
            while at < end:
                for record in (await consumer.getmany(partition, timeout_ms=1000)).get(partition, ()):
                    found.append(record)
                    at = record.offset + 1
        return found
    finally:
        await consumer.stop()


@contextmanager
def stalled(bootstrap: str) -> Iterator[None]:
    """The broker's process is stopped for the block: it takes connections and bytes, and answers nothing."""
    with halted(_listener(int(bootstrap.rpartition(":")[2]))):
        yield


def _listener(port: int) -> int:
    """The process that listens on a loopback port."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(link) in inodes for link in descriptors.iterdir()):
                return int(descriptors.parent.name)
        except (FileNotFoundError, PermissionError):
            continue
    raise LookupError(f"nothing listens on port {port}")


@asynccontextmanager
async def silent_port() -> AsyncIterator[str]:
    """An address that takes connections and never says anything."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: writers.append(writer), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        for writer in writers:
            writer.close()
        server.close()
        await server.wait_closed()


async def nothing_left(names: str) -> None:
    """Wait until no task whose name begins so is left; fails after a second."""
    async with asyncio.timeout(1):
        while any(task.get_name().startswith(names) for task in asyncio.all_tasks()):
            await asyncio.sleep(0)
