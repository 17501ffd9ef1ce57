"""Ways to store completions with their users' statistics in PostgreSQL: ours, and the ones that people begin with.

All of them end in the same rows and the same totals in `users`; all but `one_by_one` commit once a batch. Only ours
also keeps its position in the same transaction, which is what makes its effect exactly one.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg

from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.sink_ports import Advance, HistoryRow
from fanzgpt_workers.stores.postgres_sink_store import PostgresSinkStore

INSERT: Final = (
    "INSERT INTO ai_generation_history (id, user_id, generation_type, input_data, output_data, metadata, created_at) "
    "VALUES ($1, $2, $3, $4::text::jsonb, $5::text::jsonb, $6::text::jsonb, $7) ON CONFLICT (id) DO NOTHING"
)
COUNT: Final = (
    "UPDATE users SET ai_usage_stats = ai_usage_stats || jsonb_build_object('total_generations', "
    "coalesce((ai_usage_stats ->> 'total_generations')::bigint, 0) + $2) WHERE id = $1"
)
STAGING: Final = (
    "CREATE TEMP TABLE IF NOT EXISTS staging (id uuid, user_id uuid, generation_type text, input_data text, "
    "output_data text, metadata text, created_at timestamptz)"
)
FROM_STAGING: Final = """
WITH fresh AS (
    INSERT INTO ai_generation_history
    SELECT id, user_id, generation_type, input_data::jsonb, output_data::jsonb, metadata::jsonb, created_at
    FROM staging ON CONFLICT (id) DO NOTHING RETURNING user_id
), tally AS (SELECT user_id, count(*) AS number FROM fresh GROUP BY user_id ORDER BY user_id)
UPDATE users SET ai_usage_stats = ai_usage_stats || jsonb_build_object('total_generations',
    coalesce((ai_usage_stats ->> 'total_generations')::bigint, 0) + tally.number)
FROM tally WHERE users.id = tally.user_id
"""

Writer = Callable[[Sequence[HistoryRow]], Awaitable[object]]


def _values(row: HistoryRow) -> tuple[object, ...]:
    return (
        row.event_id,
        row.user_key,
        row.generation_type,
        row.input_data,
        row.output_data,
        row.metadata,
        row.created_at,
    )


def one_by_one(connection: asyncpg.Connection) -> Writer:
    """A transaction for each row."""

    async def write(rows: Sequence[HistoryRow]) -> None:
        for row in rows:
            async with connection.transaction():
                await connection.execute(INSERT, *_values(row))
                await connection.execute(COUNT, row.user_key, 1)

    return write


def executemany(connection: asyncpg.Connection) -> Writer:
    """The driver's own batches, in one transaction."""

    async def write(rows: Sequence[HistoryRow]) -> None:
        users = sorted(Counter(row.user_key for row in rows).items())
        async with connection.transaction():
            await connection.executemany(INSERT, [_values(row) for row in rows])
            await connection.executemany(COUNT, users)

    return write


def copied(connection: asyncpg.Connection) -> Writer:
    """COPY into a staging table, and one statement from there."""

    async def write(rows: Sequence[HistoryRow]) -> None:
        async with connection.transaction():
            await connection.execute(STAGING)
            await connection.execute("TRUNCATE staging")
            await connection.copy_records_to_table("staging", records=[_values(row) for row in rows])
            await connection.execute(FROM_STAGING)

    return write


def ours(store: PostgresSinkStore[HistoryRow], topic: str) -> Writer:
    """The history sink's store: rows, statistics and position in one statement."""
    partition, position = Partition(topic, 0), 0

    async def write(rows: Sequence[HistoryRow]) -> None:
        nonlocal position
        expected = position or None
        position += len(rows)
        new = await store.store(rows, [Advance(partition=partition, expected=expected, next_offset=position)])
        if new != len(rows):
            raise RuntimeError(f"{new} of {len(rows)} rows were new")

    return write
