"""Finding dead letters on their topic; nothing here moves anybody's offsets."""

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fanzgpt_schemas.errors import ContractError
from fanzgpt_schemas.events import DEAD_LETTER_TOPIC
from fanzgpt_workers.core.origin import Origin, Partition
from fanzgpt_workers.dead_letters.letter import Letter, letter_in
from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.tracing.scan import LogScan, Stretch

EVERYTHING: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which letters are meant; what is None does not matter. `since` counts from the time a record was set aside."""

    reason: str | None = None
    topic: str | None = None
    consumer: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether the letter is meant."""
        return (
            self.reason in (None, letter.reason)
            and self.topic in (None, letter.origin.topic)
            and self.consumer in (None, letter.consumer)
            and (self.since is None or letter.time >= self.since)
            and (self.until is None or letter.time < self.until)
            and (self.request_id is None or letter.names(self.request_id))
        )


class DeadLetterLog:
    """The dead-letter topic, read. Raises BrokerUnavailable."""

    def __init__(self, scan: LogScan, *, strange: Callable[[Origin, ContractError], None]) -> None:
        """`strange` is told of records there that are no dead letters."""
        self._scan = scan
        self._strange = strange

    async def letters(self, selection: Selection) -> AsyncIterator[Letter]:
        """The letters that are there now and are meant, each once, those of a partition oldest first.

        Raises:
            ConfigurationError: the broker has no dead-letter topic.
        """
        partitions = await self._scan.partitions(DEAD_LETTER_TOPIC)
        if not partitions:
            raise ConfigurationError(f"there is no topic {DEAD_LETTER_TOPIC}; `fanzgpt topics apply` creates it")
        seen: set[UUID] = set()
        async for letter in self._read(await self._scan.latest(partitions, EVERYTHING)):
            if letter.letter_id not in seen and selection.fits(letter):
                seen.add(letter.letter_id)
                yield letter

    async def at(self, places: Collection[Origin]) -> AsyncIterator[Letter]:
        """The letters at those places, as far as they are there, those of a partition oldest first."""
        wanted: dict[Partition, set[int]] = {}
        for place in places:
            wanted.setdefault(place.of, set()).add(place.offset)
        known = [of for of in await self._scan.partitions(DEAD_LETTER_TOPIC) if of in wanted]
        stretches = [
            Stretch(
                partition=kept.partition,
                start=max(kept.start, min(wanted[kept.partition])),
                end=min(kept.end, max(wanted[kept.partition]) + 1),
            )
            for kept in await self._scan.latest(known, EVERYTHING)
        ]
        async for letter in self._read(stretches):
            if letter.place.offset in wanted[letter.place.of]:
                yield letter

    async def _read(self, stretches: list[Stretch]) -> AsyncIterator[Letter]:
        async for record in self._scan.read(stretches):
            try:
                letter = letter_in(record)
            except ContractError as error:
                self._strange(record.origin, error)
            else:
                yield letter
