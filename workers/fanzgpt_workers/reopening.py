"""A consumer that is stuck although Kafka answers others is opened anew, in the same process.

While a broker is away nothing is to be done: the client finds it again by itself. What does not end by itself is a
client whose own tasks have died or wait for ever; nobody is told of that but by the silence.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from fanzgpt_producers.security import Security
from fanzgpt_workers.errors import BrokerUnavailable
from fanzgpt_workers.groupless import open_groupless

LOOK_SECONDS: Final = 2.0
ASKING_SECONDS: Final = 10.0


class TakingPart(Protocol):
    """A process that may be stuck."""

    def membership(self) -> tuple[bool, str]:
        """Whether it takes part, and how, in words."""
        ...


async def stuck(
    process: TakingPart,
    is_kafka_well: Callable[[], Awaitable[bool]],
    *,
    after: float,
    look: float = LOOK_SECONDS,
) -> str:
    """Return, with what it says of itself, once it has taken no part for `after` seconds while Kafka was well.

    Kafka is asked only then; where it is not well, the time begins again.
    """
    loop = asyncio.get_running_loop()
    well_until = loop.time()
    while True:
        await asyncio.sleep(look)
        well, detail = process.membership()
        if well:
            well_until = loop.time()
        elif loop.time() - well_until >= after:
            if await is_kafka_well():
                return detail
            well_until = loop.time()


async def is_kafka_well(
    bootstrap_servers: str, topics: Sequence[str], *, security: Security, deadline: float = ASKING_SECONDS
) -> bool:
    """Whether the leader of every partition of these topics answers a client of its own."""
    try:
        async with (
            asyncio.timeout(deadline),
            open_groupless(bootstrap_servers, client_id="fanzgpt-check", security=security) as consumer,
        ):
            metadata = await consumer._client.fetch_all_metadata()  # noqa: SLF001  # a reader without topics knows none
            numbers = {topic: metadata.partitions_for_topic(topic) or () for topic in topics}
            partitions = [TopicPartition(topic, number) for topic in topics for number in numbers[topic]]
            await consumer.end_offsets(partitions)
    except (BrokerUnavailable, KafkaError, OSError, TimeoutError):
        return False
    return bool(partitions)
