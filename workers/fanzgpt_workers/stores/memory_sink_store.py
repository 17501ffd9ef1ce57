"""The sink stores' twins in memory: the same answers to the same calls in the same order, without any I/O."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic
from uuid import UUID

from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import Fenced, RowsRefused
from fanzgpt_workers.sink_ports import Advance, AnalyticsRow, HistoryRow, PreferencesRow
from fanzgpt_workers.stores.memory_tables import MemoryTables, MemoryUser, check_type_name, read_jsonb, rfc3339
from fanzgpt_workers.stores.sink_rows import Row, UnknownUsers, unknown_user


class MemorySinkStore(Generic[Row]):
    """Implements `ports.SinkStore`; every call takes effect at once and completely, or not at all."""

    def __init__(
        self,
        tables: MemoryTables,
        *,
        group: str,
        unknown_users: UnknownUsers,
        check: Callable[[Row], None],
        apply: Callable[[MemoryTables, Sequence[Row]], int],
    ) -> None:
        """`check` raises ValueError for a row that can never be stored; `apply` stores a batch, and counts the new."""
        self._tables = tables
        self._group = group
        self._unknown_users = unknown_users
        self._check = check
        self._apply = apply

    async def next_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The next offset to read of each partition; absent where nothing was stored yet."""
        stored = {partition: self._standing(partition) for partition in partitions}
        return {partition: offset for partition, offset in stored.items() if offset is not None}

    async def store(self, rows: Sequence[Row], advances: Sequence[Advance]) -> int:
        """Store all or nothing; returns how many rows were new. Raises RowsRefused and Fenced as the port says."""
        if any(self._standing(advance.partition) != advance.expected for advance in advances):
            if all(self._standing(advance.partition) == advance.next_offset for advance in advances):
                return 0
            raise Fenced(f"Another member of {self._group} has stored further")
        refused = {row.event_id: reason for row in rows if (reason := self._refusal(row)) is not None}
        if refused:
            raise RowsRefused(refused)
        for row in rows:
            if row.user_key not in self._tables.users:
                original = row.user_id if row.user_id != str(row.user_key) else None
                self._tables.users[row.user_key] = MemoryUser(original_id=original)
        new = self._apply(self._tables, rows)
        for advance in advances:
            self._tables.offsets[self._group, advance.partition] = advance.next_offset
        return new

    def _standing(self, partition: Partition) -> int | None:
        return self._tables.offsets.get((self._group, partition))

    def _refusal(self, row: Row) -> str | None:
        if self._unknown_users == "dead-letter" and row.user_key not in self._tables.users:
            return unknown_user(row)
        try:
            self._check(row)
        except ValueError as error:
            return str(error)
        return None


def memory_history_store(
    tables: MemoryTables, *, group: str, unknown_users: UnknownUsers
) -> MemorySinkStore[HistoryRow]:
    """The twin of `history_store`."""

    def check(row: HistoryRow) -> None:
        check_type_name(row.generation_type)
        for text in (row.input_data, row.output_data, row.metadata):
            read_jsonb(text)

    def apply(tables: MemoryTables, rows: Sequence[HistoryRow]) -> int:
        before = len(tables.history)
        for row in rows:
            if row.event_id in tables.history:
                continue
            tables.history[row.event_id] = row
            statistics = tables.users[row.user_key].statistics
            total, last = statistics.get("total_generations"), statistics.get("last_generation")
            statistics["total_generations"] = (total if isinstance(total, int) else 0) + 1
            statistics["last_generation"] = max(last if isinstance(last, str) else "", rfc3339(row.created_at))
        return len(tables.history) - before

    return MemorySinkStore(tables, group=group, unknown_users=unknown_users, check=check, apply=apply)


def memory_analytics_store(
    tables: MemoryTables, *, group: str, unknown_users: UnknownUsers
) -> MemorySinkStore[AnalyticsRow]:
    """The twin of `analytics_store`."""

    def check(row: AnalyticsRow) -> None:
        check_type_name(row.event_type)
        read_jsonb(row.event_data)

    def apply(tables: MemoryTables, rows: Sequence[AnalyticsRow]) -> int:
        before = len(tables.analytics)
        for row in rows:
            tables.analytics.setdefault(row.event_id, row)
        return len(tables.analytics) - before

    return MemorySinkStore(tables, group=group, unknown_users=unknown_users, check=check, apply=apply)


def memory_preferences_store(
    tables: MemoryTables, *, group: str, unknown_users: UnknownUsers
) -> MemorySinkStore[PreferencesRow]:
    """The twin of `preferences_store`."""

    def check(row: PreferencesRow) -> None:
        if not isinstance(read_jsonb(row.preferences), dict):
            raise ValueError("preferences are not a JSON object")  # noqa: TRY004 - as for any other text JSONB refuses

    def apply(tables: MemoryTables, rows: Sequence[PreferencesRow]) -> int:
        written: dict[tuple[UUID, str], UUID] = {}
        for row in rows:
            preferences = read_jsonb(row.preferences)
            for key, value in preferences.items() if isinstance(preferences, dict) else ():
                place, version = (row.user_key, key), (row.version, row.event_id)
                held = tables.preference_versions.get(place)
                if held is None or version > held:
                    tables.preference_versions[place] = version
                    tables.users[row.user_key].preferences[key] = value
                    written[place] = row.event_id
        return len(set(written.values()))

    return MemorySinkStore(tables, group=group, unknown_users=unknown_users, check=check, apply=apply)
