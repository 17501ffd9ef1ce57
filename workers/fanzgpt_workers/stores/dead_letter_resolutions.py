"""What people did with dead letters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from fanzgpt_workers.stores.database import Database
from fanzgpt_workers.stores.statements import statement

Verdict = Literal["redriven", "discarded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What was done last, how often anything was, and what was said about it."""

    resolution: Verdict
    times: int
    note: str | None
    resolved_at: datetime


class DeadLetterResolutions:
    """Remembers what became of each letter; raises as every store."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._database = database

    async def all(self) -> Mapping[UUID, Resolution]:
        """Every letter that something was done with; the others are open."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(statement("resolutions"))
        return {
            row["letter_id"]: Resolution(
                resolution=row["resolution"], times=row["times"], note=row["note"], resolved_at=row["resolved_at"]
            )
            for row in rows
        }

    async def record(self, letter_id: UUID, verdict: Verdict, *, note: str | None = None) -> None:
        """Remember it; the last word counts, an earlier note stays where none is given."""
        async with self._database.connection() as connection:
            await connection.execute(statement("resolve_letter"), letter_id, verdict, note)
