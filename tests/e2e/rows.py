"""Rows that other processes write, waited for."""

import asyncio
from time import monotonic

import asyncpg


async def rows(url: str, query: str, *arguments: object, until: int, seconds: float = 30) -> list[asyncpg.Record]:
    """What the query finds, once it finds `until` rows or the time is up."""
    connection = await asyncpg.connect(url)
    try:
        end = monotonic() + seconds
        while True:
            found = await connection.fetch(query, *arguments)
            if len(found) >= until or monotonic() > end:
                return list(found)
            await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def execute(url: str, statement: str, *arguments: object) -> None:
    """Run one statement."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()


async def stored_past(url: str, *, group: str, topic: str, partition: int, offset: int) -> None:
    """Return once a sink's stored position is past a record: whatever the record does to rows is done."""
    query = "SELECT 1 FROM ai_sink_offsets WHERE group_name = $1 AND topic = $2 AND partition = $3 AND next_offset > $4"
    assert await rows(url, query, group, topic, partition, offset, until=1), f"{group} did not pass {topic}/{offset}"
