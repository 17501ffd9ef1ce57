"""Many requests at once: as fast as the brokers take them, in bounded memory, in order."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final, Protocol

from fanzgpt_producers.requesting import Priority, encode_request
from fanzgpt_schemas.codec import Encoded
from fanzgpt_schemas.requests import GenerationRequested

BATCH_EVENTS: Final = 1_000


class Publisher(Protocol):
    """Where to: KafkaPublisher or its twin."""

    async def publish(self, events: Sequence[Encoded]) -> None:
        """Return once every event is acknowledged."""
        ...


def _now() -> datetime:
    return datetime.now(UTC)


async def publish_many(
    publisher: Publisher,
    requests: Iterable[GenerationRequested],
    *,
    source: str,
    priority: Priority = "batch",
    on_progress: Callable[[int], None] | None = None,
    batch_events: int = BATCH_EVENTS,
    clock: Callable[[], datetime] = _now,
) -> int:
    """Publish requests in their order, lazily read; returns how many were acknowledged: all of them.

    One batch is on its way while the next is read and encoded. `on_progress` is told after each batch how many are
    acknowledged so far. Waits for no answers: those are on the topics of endings.

    Raises:
        ProducerError: as `publish` does; what `on_progress` was last told is written, at most two batches more may be.
        ContractError: a request cannot be written; those before it are.
    """
    acknowledged = 0
    source_of = iter(requests)
    under_way: asyncio.Task[int] | None = None
    try:
        while True:
            batch = [
                encode_request(request, time=clock(), source=source, priority=priority)
                for request in islice(source_of, batch_events)
            ]
            if under_way is not None:
                acknowledged += await under_way
                under_way = None
                if on_progress is not None:
                    on_progress(acknowledged)
            if not batch:
                return acknowledged
            under_way = asyncio.create_task(_publish(publisher, batch))
            await asyncio.sleep(0)  # it begins before the next batch takes the processor
    finally:
        if under_way is not None:
            await asyncio.wait((under_way,))


async def _publish(publisher: Publisher, batch: Sequence[Encoded]) -> int:
    await publisher.publish(batch)
    return len(batch)
