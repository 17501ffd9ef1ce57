"""Each sink's rows as the arrays of its statement: what differs between the sinks, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, Literal, Protocol, TypeVar
from uuid import UUID

from fanzgpt_workers.sink_ports import AnalyticsRow, HistoryRow, PreferencesRow

UnknownUsers = Literal["dead-letter", "create"]


class UserRow(Protocol):
    """What every sink's row has: the event it came from and the user it is about."""

    @property
    def event_id(self) -> UUID:
        """The event's id, by which a row is stored once."""
        ...

    @property
    def user_key(self) -> UUID:
        """The user's `users.id`."""
        ...

    @property
    def user_id(self) -> str:
        """The user's id as the event has it."""
        ...


Row = TypeVar("Row", bound=UserRow)
Columns = tuple[list[UUID] | list[str] | list[int] | list[datetime], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowKind(Generic[Row]):
    """A sink's statement by its name, and how its rows become the statement's arrays."""

    statement: str
    columns: Callable[[Sequence[Row]], Columns]


def _history(rows: Sequence[HistoryRow]) -> Columns:
    return (
        [row.event_id for row in rows],
        [row.user_key for row in rows],
        [row.generation_type for row in rows],
        [row.input_data for row in rows],
        [row.output_data for row in rows],
        [row.metadata for row in rows],
        [row.created_at for row in rows],
    )


def _analytics(rows: Sequence[AnalyticsRow]) -> Columns:
    return (
        [row.event_id for row in rows],
        [row.user_key for row in rows],
        [row.event_type for row in rows],
        [row.event_data for row in rows],
        [row.timestamp for row in rows],
    )


def _preferences(rows: Sequence[PreferencesRow]) -> Columns:
    return (
        [row.event_id for row in rows],
        [row.user_key for row in rows],
        [row.preferences for row in rows],
        [row.version for row in rows],
    )


def unknown_user(row: UserRow) -> str:
    """Why the row of a user that is not there is refused."""
    return f"user {row.user_id} (users.id {row.user_key}) is not in users"


HISTORY: Final = RowKind(statement="sink_history", columns=_history)
ANALYTICS: Final = RowKind(statement="sink_analytics", columns=_analytics)
PREFERENCES: Final = RowKind(statement="sink_preferences", columns=_preferences)
