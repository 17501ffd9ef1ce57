"""What the database knows about progress: the sinks' own offsets, requests above a committed offset, and batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Final

from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.lag.standing import Batched
from fanzgpt_workers.stores.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """Requests at or above a position: ended, not ended, and the age in seconds of the oldest of those."""

    ended: int
    in_flight: int
    oldest_seconds: float | None


class Accounts:
    """Reads only; raises DatabaseUnavailable as every store."""

    def __init__(self, database: Database) -> None:
        """Read through `database`."""
        self._database: Final = database

    async def check(self) -> None:
        """Raise where the database cannot be read; ConfigurationError where it has not this release's tables."""
        await self.stored_offsets()

    async def stored_offsets(self) -> Mapping[tuple[str, Partition], int]:
        """The next offset of each sink's group in each partition."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_statement("stored_offsets"))
        return {(row["group_name"], Partition(row["topic"], row["partition"])): row["next_offset"] for row in rows}

    async def requests_above(self, positions: Mapping[Partition, int], since: datetime) -> Mapping[Partition, Above]:
        """What the ledger holds at or above the positions, of requests claimed at or after `since`."""
        topics = [partition.topic for partition in positions]
        numbers = [partition.number for partition in positions]
        async with self._database.reading() as connection:
            rows = await connection.fetch(
                _statement("requests_above"), topics, numbers, list(positions.values()), since
            )
        return {
            Partition(row["topic"], row["partition"]): Above(
                ended=row["ended"], in_flight=row["in_flight"], oldest_seconds=row["oldest_seconds"]
            )
            for row in rows
        }

    async def batched(self) -> Sequence[Batched]:
        """What waits in the half-price lane."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_statement("waiting_batches"))
        return [Batched(**row) for row in rows]


def _statement(name: str) -> str:
    return (resources.files("fanzgpt_workers.lag") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
