"""A sink's rows, what is derived from them and its offsets in PostgreSQL: one statement a batch, all or nothing."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Generic
from uuid import UUID

import asyncpg

from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import ConfigurationError, Fenced, RowsRefused
from fanzgpt_workers.sink_ports import Advance, AnalyticsRow, HistoryRow, PreferencesRow
from fanzgpt_workers.stores.database import Database
from fanzgpt_workers.stores.pg_errors import meaning, told
from fanzgpt_workers.stores.sink_rows import ANALYTICS, HISTORY, PREFERENCES, Row, RowKind, UnknownUsers, unknown_user
from fanzgpt_workers.stores.statements import statement
from fanzgpt_workers.stores.storable import storable

if TYPE_CHECKING:
    from fanzgpt_workers.stores.database import Session

# A user can go between being looked up and being referred to.
_ABOUT_ROWS: Final = frozenset({"data", "unknown-user"})


class PostgresSinkStore(Generic[Row]):
    """Implements `ports.SinkStore` for one consumer group and one kind of row.

    Rows of users that are not in `users` are refused (`dead-letter`), or the users are created in the same
    transaction with their original id kept in `ai_user_ids` (`create`).
    """

    def __init__(self, database: Database, *, group: str, kind: RowKind[Row], unknown_users: UnknownUsers) -> None:
        """`group` is the Kafka consumer group, under which the offsets are kept."""
        self._database: Final = database
        self._group: Final = group
        self._kind: Final = kind
        self._unknown_users: Final = unknown_users
        self._store: Final = statement("sink_gate") + statement(kind.statement)
        self._next_offsets: Final = statement("sink_next_offsets")
        self._meet_partitions: Final = statement("sink_meet_partitions")
        self._known_users: Final = statement("sink_known_users")
        self._create_users: Final = statement("sink_create_users")
        self._keep_user_ids: Final = statement("sink_keep_user_ids")

    async def next_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The next offset to read of each partition; absent where nothing was stored yet."""
        async with self._database.connection() as connection:
            return await self._stored_offsets(connection, partitions)

    async def store(self, rows: Sequence[Row], advances: Sequence[Advance]) -> int:
        """Store all or nothing; returns how many rows were new.

        A repetition of a call that was committed, but whose answer was lost, finds the partitions where it wanted
        them: it stores nothing and returns 0. Raises RowsRefused, Fenced and DatabaseUnavailable as the port says.
        """
        async with self._database.connection() as connection:
            try:
                return await self._stored(connection, rows, advances)
            except (asyncpg.PostgresError, UnicodeError, OverflowError) as error:
                if meaning(error) not in _ABOUT_ROWS:
                    raise
                refused = await self._refused(connection, rows)
                if not refused and meaning(error) == "data":
                    raise
                raise RowsRefused(refused) from error

    async def _stored(self, connection: "Session", rows: Sequence[Row], advances: Sequence[Advance]) -> int:
        answer = await self._attempt(connection, rows, advances)
        if not answer["known"]:
            await connection.execute(self._meet_partitions, self._group, *_columns([a.partition for a in advances]))
            answer = await self._attempt(connection, rows, advances)
        if answer["stored"]:
            return int(answer["new"])
        if not answer["as_expected"]:
            if answer["as_wanted"]:
                return 0
            raise await self._fenced(connection, advances)
        # Everything agrees, so that it is the users that are missing.
        if self._unknown_users == "dead-letter":
            raise RowsRefused(await self._refused(connection, rows))
        async with connection.transaction():
            await self._created(connection, await self._missing_users(connection, rows))
            answer = await self._attempt(connection, rows, advances)
            if not answer["stored"]:
                raise await self._fenced(connection, advances)
            return int(answer["new"])

    async def _attempt(
        self, connection: "Session", rows: Sequence[Row], advances: Sequence[Advance]
    ) -> "asyncpg.Record":
        answer = await connection.fetchrow(
            self._store,
            self._group,
            *_columns([advance.partition for advance in advances]),
            [advance.expected for advance in advances],
            [advance.next_offset for advance in advances],
            sorted({row.user_key for row in rows}),
            *self._kind.columns(rows),
        )
        assert answer is not None  # noqa: S101 - the statement always answers with one row
        return answer

    async def _refused(self, connection: "Session", rows: Sequence[Row]) -> dict[UUID, str]:
        """Which rows can never be stored: halves of the batch are tried inside a transaction that is rolled back."""
        refused: dict[UUID, str] = {}
        attempt = connection.transaction()
        await attempt.start()
        try:
            missing = await self._missing_users(connection, rows)
            if self._unknown_users == "create":
                await self._created(connection, missing)
            else:
                refused.update({row.event_id: unknown_user(row) for row in rows if row.user_key in missing})
            halves = [[row for row in rows if row.event_id not in refused]]
            while halves:
                half = halves.pop()
                reason = await self._refusal(connection, half)
                if reason is not None and len(half) == 1:
                    refused[half[0].event_id] = reason
                elif reason is not None:
                    middle = len(half) // 2
                    halves += [half[middle:], half[:middle]]
        finally:
            await attempt.rollback()
        return refused

    async def _refusal(self, connection: "Session", rows: Sequence[Row]) -> str | None:
        attempt = connection.transaction()
        await attempt.start()
        try:
            await self._attempt(connection, rows, ())
        except (asyncpg.PostgresError, UnicodeError, OverflowError) as error:
            if meaning(error) not in _ABOUT_ROWS:
                raise
            return told(error)
        finally:
            await attempt.rollback()
        return None

    async def _missing_users(self, connection: "Session", rows: Sequence[Row]) -> dict[UUID, str]:
        users = {row.user_key: row.user_id for row in reversed(rows)}
        for known in await connection.fetch(self._known_users, list(users)):
            del users[known["id"]]
        return users

    async def _created(self, connection: "Session", missing: Mapping[UUID, str]) -> None:
        try:
            created = [row["id"] for row in await connection.fetch(self._create_users, sorted(missing))]
        except asyncpg.IntegrityConstraintViolationError as error:
            raise ConfigurationError(
                f"UNKNOWN_USERS=create cannot work with this users table: {told(error)}. Give the column a default, or "
                "set UNKNOWN_USERS=dead-letter and let the main API server make its users."
            ) from error
        kept = {key: missing[key] for key in created if missing[key] != str(key)}
        if kept:
            await connection.execute(
                self._keep_user_ids, list(kept), [storable(original) for original in kept.values()]
            )

    async def _stored_offsets(self, connection: "Session", partitions: Sequence[Partition]) -> dict[Partition, int]:
        rows = await connection.fetch(self._next_offsets, self._group, *_columns(partitions))
        return {
            Partition(row["topic"], row["partition"]): row["next_offset"]
            for row in rows
            if row["next_offset"] is not None
        }

    async def _fenced(self, connection: "Session", advances: Sequence[Advance]) -> Fenced:
        stored = await self._stored_offsets(connection, [advance.partition for advance in advances])
        differing = "; ".join(
            f"{advance.partition} stands at {_place(stored.get(advance.partition))}, not at {_place(advance.expected)}"
            for advance in advances
            if stored.get(advance.partition) != advance.expected
        )
        return Fenced(f"Another member of {self._group} has stored further: {differing}")


def history_store(database: Database, *, group: str, unknown_users: UnknownUsers) -> PostgresSinkStore[HistoryRow]:
    """The store of `ai_generation_history` and `users.ai_usage_stats`."""
    return PostgresSinkStore(database, group=group, kind=HISTORY, unknown_users=unknown_users)


def analytics_store(database: Database, *, group: str, unknown_users: UnknownUsers) -> PostgresSinkStore[AnalyticsRow]:
    """The store of `ai_analytics`."""
    return PostgresSinkStore(database, group=group, kind=ANALYTICS, unknown_users=unknown_users)


def preferences_store(
    database: Database, *, group: str, unknown_users: UnknownUsers
) -> PostgresSinkStore[PreferencesRow]:
    """The store of `users.ai_preferences`; each key is last-writer-wins by (version, event id)."""
    return PostgresSinkStore(database, group=group, kind=PREFERENCES, unknown_users=unknown_users)


def _columns(partitions: Sequence[Partition]) -> tuple[list[str], list[int]]:
    return [partition.topic for partition in partitions], [partition.number for partition in partitions]


def _place(offset: int | None) -> str:
    return "the beginning" if offset is None else str(offset)
