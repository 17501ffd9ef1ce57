"""How long an event is as a Kafka record."""

from collections.abc import Iterable
from typing import Final

from fanzgpt_producers.errors import EventTooLarge
from fanzgpt_schemas.codec import Encoded

# The head of a batch that holds one record, and the record's own lengths and deltas at their longest.
BATCH_HEAD_BYTES: Final = 61
RECORD_BYTES: Final = 36
HEADER_BYTES: Final = 4


def record_size(event: Encoded) -> int:
    """Bytes of a batch that holds this event alone, uncompressed; a few more than the broker counts, never fewer."""
    size = BATCH_HEAD_BYTES + RECORD_BYTES + len(event.key) + len(event.value)
    for name, value in event.headers:
        size += HEADER_BYTES + len(name) + len(value)
    return size


def refuse_too_large(events: Iterable[Encoded], limit: int) -> None:
    """Raise EventTooLarge for the first event over `limit` bytes."""
    for event in events:
        size = record_size(event)
        if size > limit:
            raise EventTooLarge(topic=event.topic, size=size, limit=limit)
