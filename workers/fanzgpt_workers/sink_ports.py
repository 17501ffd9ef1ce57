"""What the sinks need of their store: rows, and how far they have come, in one step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from fanzgpt_workers.core.origin import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """A step of a sink through one partition: from the offset it expects to stand at to the next one to read.

    `expected` is None for the first step after the stored offset was read as absent.
    """

    partition: Partition
    expected: int | None
    next_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One `ai_generation_history` row; the JSON fields are JSON text. `event_id` becomes the row's id."""

    event_id: UUID
    user_key: UUID
    user_id: str
    generation_type: str
    input_data: str
    output_data: str
    metadata: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyticsRow:
    """One `ai_analytics` row; `event_data` is JSON text."""

    event_id: UUID
    user_key: UUID
    user_id: str
    event_type: str
    event_data: str
    timestamp: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencesRow:
    """One change to `users.ai_preferences`: JSON object text; each key is last-writer-wins by (version, event id)."""

    event_id: UUID
    user_key: UUID
    user_id: str
    preferences: str
    version: int


Row = TypeVar("Row", contravariant=True)


class SinkStore(Protocol[Row]):
    """Where a sink's rows go: rows, what is derived from them, and the offsets, in one transaction."""

    async def next_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The next offset to read of each partition; absent where nothing was stored yet."""
        ...

    async def store(self, rows: Sequence[Row], advances: Sequence[Advance]) -> int:
        """Store all or nothing; returns how many rows were new (an event id stored before is no new row).

        Raises RowsRefused naming the rows that can never be stored (unknown user, text that JSONB refuses), Fenced
        when a partition stands elsewhere than expected, DatabaseUnavailable for everything that may pass. Where every
        partition already stands at its `next_offset`, an earlier call was committed and its answer lost: returns 0.
        """
        ...
