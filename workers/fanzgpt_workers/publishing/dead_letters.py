"""Keeping what could not be used: whole, with where it came from and why."""

from base64 import b64encode
from typing import Final

from fanzgpt_schemas.codec import encode
from fanzgpt_schemas.facts import DeadLetter
from fanzgpt_schemas.identity import event_id, record_event_id
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.records import Record

LONGEST_ERROR: Final = 2_000


class DeadLetters:
    """The way to `ai.dead-letter`, for one consumer (a group's name)."""

    def __init__(self, publication: Publication, *, consumer: str, clock: Clock) -> None:
        """`consumer` is written into each letter and into its id: two groups may both refuse one record."""
        self._publication = publication
        self._consumer = consumer
        self._clock = clock

    async def send(self, record: Record, *, reason: str, error: str, attempts: int = 1) -> None:
        """Return once the letter is acknowledged; the same record again is the same letter."""
        origin = record.origin
        now = self._clock.now()
        letter = DeadLetter(
            topic=origin.topic,
            partition=origin.partition,
            offset=origin.offset,
            key=_base64(record.key),
            value=_base64(record.value),
            headers=tuple((name, b64encode(value or b"").decode()) for name, value in record.headers),
            reason=reason,
            error=error.replace("\x00", "\ufffd")[:LONGEST_ERROR],
            attempts=attempts,
            time=now,
            consumer=self._consumer,
        )
        identity = event_id(record_event_id(origin.topic, origin.partition, origin.offset), f"dead:{self._consumer}")
        source = f"fanzgpt/{self._consumer}"
        await self._publication.publish([encode(letter, event_id=identity, time=now, source=source)])


def _base64(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()
