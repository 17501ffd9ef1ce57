"""A consumer outside every group: it reads the log and moves nobody's offsets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError

from fanzgpt_producers.security import Security
from fanzgpt_workers.errors import BrokerUnavailable


@asynccontextmanager
async def open_groupless(
    bootstrap_servers: str,
    *,
    client_id: str,
    security: Security | None = None,
    deadline: float = 15.0,
    partition_fetch_bytes: int = 1024 * 1024,
) -> AsyncIterator[AIOKafkaConsumer]:
    """Connect for the block; `deadline` in seconds is for connecting and for each request.

    Raises:
        BrokerUnavailable: no broker answers; the text names the address.
    """
    security = security or Security()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        client_id=client_id,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=partition_fetch_bytes,
        request_timeout_ms=int(deadline * 1000),
        **security.options(),
    )
    try:
        try:
            async with asyncio.timeout(deadline):
                await consumer.start()
        except (KafkaConnectionError, TimeoutError) as error:
            raise BrokerUnavailable(f"Kafka at {bootstrap_servers} does not answer: {security.doubt}") from error
        # The library cancels a task of its own when it stops, and is cancelled itself where that has not begun.
        await asyncio.sleep(0)
        yield consumer
    finally:
        await consumer.stop()
