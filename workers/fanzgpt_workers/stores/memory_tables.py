"""The sinks' tables in memory, and what PostgreSQL would refuse to put into them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NoReturn
from uuid import UUID

from pydantic import JsonValue

from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.sink_ports import AnalyticsRow, HistoryRow

TYPE_NAME_LENGTH: Final = 50


@dataclass(slots=True, kw_only=True)
class MemoryUser:
    """A row of `users`; `original_id` is what `ai_user_ids` would hold."""

    original_id: str | None = None
    statistics: dict[str, JsonValue] = field(default_factory=dict)
    preferences: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class MemoryTables:
    """One database's worth of tables, shared by the twins of its sinks."""

    users: dict[UUID, MemoryUser] = field(default_factory=dict)
    history: dict[UUID, HistoryRow] = field(default_factory=dict)
    analytics: dict[UUID, AnalyticsRow] = field(default_factory=dict)
    preference_versions: dict[tuple[UUID, str], tuple[int, UUID]] = field(default_factory=dict)
    offsets: dict[tuple[str, Partition], int] = field(default_factory=dict)

    def add_users(self, users: Iterable[UUID]) -> None:
        """Rows as the main API server makes them."""
        for user in users:
            self.users.setdefault(user, MemoryUser())


def rfc3339(time: datetime) -> str:
    """The time as `ai_usage_stats.last_generation` has it: UTC, microseconds, of one width."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_jsonb(text: str) -> JsonValue:
    """What a JSON text says; raises ValueError for what JSONB refuses: NUL, lone surrogates, NaN, no JSON at all."""
    try:
        value: JsonValue = json.loads(text, parse_constant=_not_json)
        _check_text(value)
    except RecursionError as error:
        raise ValueError("stack depth limit exceeded") from error
    return value


def check_type_name(name: str) -> None:
    """Raise ValueError for a name that VARCHAR(50) refuses."""
    if len(name) > TYPE_NAME_LENGTH:
        raise ValueError(f"value too long for type character varying({TYPE_NAME_LENGTH})")
    _check_text(name)


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _check_text(value: JsonValue) -> None:
    match value:
        case str():
            if "\x00" in value:
                raise ValueError("unsupported Unicode escape sequence: \\u0000 cannot be converted to text")
            value.encode()
        case dict():
            for key, inner in value.items():
                _check_text(key)
                _check_text(inner)
        case list():
            for inner in value:
                _check_text(inner)
        case _:
            pass
