"""The half-price lane in PostgreSQL: who waits, in which batch, and who may look at it until when."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import asyncpg

from fanzgpt_workers.batches.ports import Batch, Held, Rejoining
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.stores.database import Database
from fanzgpt_workers.stores.statements import statement
from fanzgpt_workers.stores.storable import storable

if TYPE_CHECKING:
    from fanzgpt_workers.stores.database import Session

_LOOK: Final = "look_at = clock_timestamp() + make_interval(secs => $2::double precision)"


class PostgresBatches:
    """Implements `batches.ports.BatchStore`. Leases run by the database's clock."""

    def __init__(self, database: Database) -> None:
        """Wire up."""
        self._database: Final = database

    async def hold(self, held: Sequence[Held]) -> Sequence[None]:
        """One statement; a request that is in it twice keeps its last word."""
        chosen = sorted({one.request_key: one for one in held}.values(), key=lambda one: one.request_key)
        async with self._database.connection() as connection:
            await connection.execute(
                statement("batch_hold"),
                [one.request_key for one in chosen],
                [one.epoch for one in chosen],
                [one.term for one in chosen],
                [storable(one.target.provider) for one in chosen],
                [storable(one.target.model) for one in chosen],
                [one.request for one in chosen],
                [one.origin.topic for one in chosen],
                [one.origin.partition for one in chosen],
                [one.origin.offset for one in chosen],
                [one.stated_at_ms for one in chosen],
                [storable(one.traceparent) for one in chosen],
                [one.deadline for one in chosen],
            )
        return [None] * len(held)

    async def rejoined(self, rejoining: Sequence[Rejoining]) -> Sequence[bool]:
        """One statement."""
        chosen = sorted({one.request_key: one for one in rejoining}.values())
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                statement("batch_rejoin"),
                [one.request_key for one in chosen],
                [one.epoch for one in chosen],
                [one.term for one in chosen],
            )
        waiting = {row["request_key"] for row in rows}
        return [one.request_key in waiting for one in rejoining]

    async def form(
        self, *, providers: Sequence[str], age: timedelta, most_calls: int, most_bytes: int, lease: float
    ) -> Batch | None:
        """Lock the group's oldest, skipping what another collector has locked; the rest is decided by what was got."""
        async with self._database.connection() as connection, connection.transaction():
            for group in await connection.fetch(
                statement("batch_groups"), list(providers), age, most_calls, most_bytes
            ):
                batch = await self._formed(connection, group, most_calls=most_calls, most_bytes=most_bytes, lease=lease)
                if batch is not None:
                    return batch
        return None

    async def _formed(
        self, connection: "Session", group: asyncpg.Record, *, most_calls: int, most_bytes: int, lease: float
    ) -> Batch | None:
        provider, model = group["provider"], group["model"]
        rows = await connection.fetch(statement("batch_gather"), provider, model, most_calls)
        chosen: list[asyncpg.Record] = []
        size = 0
        for row in rows:
            size += row["bytes"]
            if chosen and size > most_bytes:
                break
            chosen.append(row)
        if not chosen:
            return None
        key = uuid4()
        created = await connection.fetchval(
            "INSERT INTO ai_batches (batch_key, provider, model, calls, created_at, look_at) VALUES ($1, $3, $4, $5, "
            "clock_timestamp(), clock_timestamp() + make_interval(secs => $2::double precision)) RETURNING created_at",
            key,
            lease,
            provider,
            model,
            len(chosen),
        )
        await connection.execute(
            "UPDATE ai_batch_calls AS held SET batch_key = $1, attempt_id = made.attempt_id, tries = held.tries + 1 "
            "FROM unnest($2::uuid[], $3::uuid[]) AS made (request_key, attempt_id) "
            "WHERE held.request_key = made.request_key",
            key,
            [row["request_key"] for row in chosen],
            [uuid4() for _ in chosen],
        )
        deadlines = [row["deadline"] for row in chosen if row["deadline"] is not None]
        return Batch(
            key=key,
            target=Target(provider, model),
            batch_id=None,
            created_at=created,
            first_deadline=min(deadlines, default=None),
            called_off=False,
            is_new=True,
        )

    async def take(self, *, providers: Sequence[str], lease: float) -> Batch | None:
        """Lock one, skipping what another collector has locked, and put its next look off."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(statement("batch_take"), list(providers), lease)
        if row is None:
            return None
        return Batch(
            key=row["batch_key"],
            target=Target(row["provider"], row["model"]),
            batch_id=row["batch_id"],
            created_at=row["created_at"],
            first_deadline=row["first_deadline"],
            called_off=row["called_off_at"] is not None,
        )

    async def calls(self, batch_key: UUID) -> Sequence[Held]:
        """By the index of batches."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT * FROM ai_batch_calls WHERE batch_key = $1 ORDER BY request_key", batch_key
            )
        return [_held(row) for row in rows]

    async def others(self, batch: Batch) -> Sequence[str]:
        """Every id that is known to be another batch's."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT batch_id FROM ai_batches WHERE provider = $1 AND batch_key <> $2 AND batch_id IS NOT NULL "
                "AND created_at >= $3::timestamptz - interval '2 days'",
                batch.target.provider,
                batch.key,
                batch.created_at,
            )
        return [row["batch_id"] for row in rows]

    async def created(self, batch_key: UUID, batch_id: str, *, look_in: float) -> None:
        """The first word counts."""
        await self._on_batch(f"batch_id = coalesce(batch_id, $3), {_LOOK}", batch_key, look_in, batch_id)

    async def called_off(self, batch_key: UUID) -> None:
        """The lease stays as it is."""
        await self._on_batch("called_off_at = coalesce(called_off_at, clock_timestamp())", batch_key)

    async def postpone(self, batch_key: UUID, *, look_in: float) -> None:
        """Also how a lease is renewed."""
        await self._on_batch(_LOOK, batch_key, look_in)

    async def over(self, batch_key: UUID) -> None:
        """The row stays as evidence."""
        await self._on_batch("over_at = coalesce(over_at, clock_timestamp())", batch_key)

    async def gather_again(self, request_keys: Sequence[UUID]) -> None:
        """They keep the time at which they began to wait."""
        await self._on_calls("SET batch_key = NULL, attempt_id = NULL", request_keys)

    async def give_back(self, request_keys: Sequence[UUID], *, lease: float) -> None:
        """They are out of their batch."""
        await self._on_calls(f"SET batch_key = NULL, attempt_id = NULL, returned = TRUE, {_LOOK}", request_keys, lease)

    async def returned(
        self, *, urgent_within: timedelta, gathered_for: Sequence[str], limit: int, lease: float
    ) -> Sequence[Held]:
        """Skips what another collector has locked."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("batch_returned"), urgent_within, lease, limit, list(gathered_for))
        return [_held(row) for row in rows]

    async def holds_any(self) -> bool:
        """One row is enough to know."""
        async with self._database.connection() as connection:
            return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM ai_batch_calls)"))

    async def wished(self, request_keys: Sequence[UUID]) -> Sequence[Held]:
        """One lookup each."""
        if not request_keys:
            return []
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT * FROM ai_batch_calls WHERE request_key = ANY ($1::uuid[]) AND NOT returned AND NOT ended",
                list(request_keys),
            )
        return [_held(row) for row in rows]

    async def overdue(self, *, limit: int) -> Sequence[Held]:
        """By the index of deadlines."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT * FROM ai_batch_calls WHERE batch_key IS NOT NULL AND NOT ended "
                "AND deadline <= clock_timestamp() ORDER BY deadline LIMIT $1",
                limit,
            )
        return [_held(row) for row in rows]

    async def ended(self, request_keys: Sequence[UUID]) -> None:
        """One statement."""
        await self._on_calls("SET ended = TRUE", request_keys)

    async def drop(self, request_keys: Sequence[UUID]) -> None:
        """One statement."""
        if request_keys:
            async with self._database.connection() as connection:
                await connection.execute(
                    "DELETE FROM ai_batch_calls WHERE request_key = ANY ($1::uuid[])", sorted(request_keys)
                )

    async def _on_batch(self, change: str, *arguments: object) -> None:
        async with self._database.connection() as connection:
            await connection.execute(f"UPDATE ai_batches SET {change} WHERE batch_key = $1", *arguments)  # noqa: S608  # a text of ours

    async def _on_calls(self, change: str, request_keys: Sequence[UUID], *arguments: object) -> None:
        if request_keys:
            async with self._database.connection() as connection:
                await connection.execute(
                    f"UPDATE ai_batch_calls {change} WHERE request_key = ANY ($1::uuid[])",  # a text of ours
                    sorted(request_keys),
                    *arguments,
                )


def _held(row: asyncpg.Record) -> Held:
    return Held(
        request_key=row["request_key"],
        epoch=row["epoch"],
        term=row["term"],
        target=Target(row["provider"], row["model"]),
        request=row["request"],
        origin=Origin(row["origin_topic"], row["origin_partition"], row["origin_offset"]),
        stated_at_ms=row["stated_at_ms"],
        traceparent=row["traceparent"],
        deadline=row["deadline"],
        tries=row["tries"],
        attempt_id=row["attempt_id"],
    )
