"""Kafka consumers that start within a deadline, or say what is in the way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from fanzgpt_producers.errors import BrokerUnavailable, TopicMissing

T = TypeVar("T")
LOOK_SECONDS: Final = 2.0


async def begin(
    consumer: AIOKafkaConsumer,
    then: Callable[[AIOKafkaConsumer], Awaitable[T]],
    *,
    bootstrap_servers: str,
    topics: Sequence[str],
    deadline: float,
) -> T:
    """Start the consumer and do `then` with it, within `deadline` seconds; where that fails, it is stopped.

    Raises:
        TopicMissing: the brokers do not know one of `topics`.
        BrokerUnavailable: there is no broker, it does not answer, or it refuses.
    """
    try:
        async with asyncio.timeout(deadline):
            await consumer.start()
            return await then(consumer)
    except (TimeoutError, KafkaError) as error:
        missing = await _missing(consumer, topics)
        await consumer.stop()
        if missing is not None:
            raise TopicMissing(bootstrap_servers=bootstrap_servers, topic=missing) from error
        raise BrokerUnavailable(bootstrap_servers=bootstrap_servers, reason=reason(error, deadline)) from error
    except BaseException:
        await consumer.stop()
        raise


def reason(error: Exception, seconds: float) -> str:
    """Why a consumer cannot go on, for people."""
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:g} s"
    return "cannot be reached; is it running there?" if "bootstrap" in str(error) else str(error)


async def _missing(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> str | None:
    """The topic that the brokers, if they answer at all, do not have."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            known = await consumer.topics()
    except (TimeoutError, KafkaError):
        return None
    return next((topic for topic in topics if topic not in known), None) if known else None
