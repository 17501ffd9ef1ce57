"""Keeping what could not be used: whole, with where it came from and why."""

from typing import Final

from fanzgpt_producers.errors import EventTooLarge
from fanzgpt_schemas.codec import encode
from fanzgpt_schemas.events import DEAD_LETTER_TOPIC, VALUE_LIMITS
from fanzgpt_schemas.identity import event_id, record_event_id
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.publishing.letters import letter_about
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.records import Record

SMALLEST_ROOM: Final = 16_384


class DeadLetters:
    """The way to `ai.dead-letter`, for one consumer (a group's name)."""

    def __init__(self, publication: Publication, *, consumer: str, clock: Clock) -> None:
        """`consumer` is written into each letter and into its id: two groups may both refuse one record."""
        self._publication = publication
        self._consumer = consumer
        self._clock = clock

    async def send(self, record: Record, *, reason: str, error: str, attempts: int = 1) -> None:
        """Return once the letter is acknowledged; the same record again is the same letter.

        The letter holds the record whole, up to what its topic takes (any record of a topic as topics.yaml has it);
        of a longer value it holds the beginning and the length. A broker that takes less than topics.yaml says gets
        less of the value, rather than no letter.
        """
        origin = record.origin
        now = self._clock.now()
        identity = event_id(record_event_id(origin.topic, origin.partition, origin.offset), f"dead:{self._consumer}")
        room = VALUE_LIMITS[DEAD_LETTER_TOPIC]
        while True:
            letter = letter_about(
                record, reason=reason, error=error, attempts=attempts, consumer=self._consumer, time=now, room=room
            )
            event = encode(letter, event_id=identity, time=now, source=f"fanzgpt/{self._consumer}")
            try:
                return await self._publication.publish([event])
            except EventTooLarge:
                room = min(room, len(event.value)) // 2
                if room < SMALLEST_ROOM:
                    raise
