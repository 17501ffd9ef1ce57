"""Everything that is known of one request, gathered from wherever it can be had."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import resources
from typing import Final
from uuid import UUID

import orjson

from fanzgpt_schemas.events import (
    BATCH_TOPIC,
    CANCEL_TOPIC,
    COMPLETED_TOPIC,
    DEAD_LETTER_TOPIC,
    FAILED_TOPIC,
    PRIORITY_TOPIC,
    REQUESTED_TOPIC,
)
from fanzgpt_workers.core.origin import Origin, Partition
from fanzgpt_workers.records import Record
from fanzgpt_workers.stores.database import Database
from fanzgpt_workers.stores.ledger_reports import LedgerReports, RequestReport
from fanzgpt_workers.tracing.matching import letter_of, names_request
from fanzgpt_workers.tracing.scan import LogScan, Stretch, partition_of

_REQUESTS: Final = (REQUESTED_TOPIC, PRIORITY_TOPIC, BATCH_TOPIC)
_ELSEWHERE: Final = (*_REQUESTS, COMPLETED_TOPIC, FAILED_TOPIC, CANCEL_TOPIC, DEAD_LETTER_TOPIC)
_CLOCK_SKEW: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """An event that the request's ending announced: its topic and its CloudEvents id."""

    topic: str
    event_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """A row of a sink; `at` is the time the row carries."""

    table: str
    event_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found of one request: `report` is None where the ledger does not know it."""

    request_id: str
    report: RequestReport | None
    announced: Sequence[Announced] = ()
    records: Sequence[Record] = ()
    rows: Sequence[StoredRow] = field(default=())


class Investigation:
    """Looks a request up. Reads only; raises BrokerUnavailable and DatabaseUnavailable."""

    def __init__(self, *, scan: LogScan, database: Database | None) -> None:
        """Without a database only the topics are searched."""
        self._scan = scan
        self._database = database

    async def look_up(self, request_id: str, *, since: datetime) -> list[Evidence]:
        """What is known of every request of this id, one for each user who used it.

        A request that the ledger knows is looked for where it must be. One that it does not know (never taken up,
        refused, pruned) is searched for in everything written from `since` on.
        """
        reports = [] if self._database is None else await LedgerReports(self._database).trace(request_id)
        if not reports:
            stretches = [
                stretch
                for topic in _ELSEWHERE
                for stretch in await self._scan.since(await self._scan.partitions(topic), since)
            ]
            records = [record async for record in self._scan.read(stretches) if names_request(record, request_id)]
            return [Evidence(request_id=request_id, report=None, records=records)] if records else []
        return [await self._known(report) for report in reports]

    async def _known(self, report: RequestReport) -> Evidence:
        announced = _announced(report.outbox)
        ids = {event.event_id for event in announced if event.event_id is not None}
        records = [record async for record in self._origin(report.origin)]
        wanted = {str(event_id).encode() for event_id in ids}
        for topic in {event.topic for event in announced}:
            partition = partition_of(report.user_id, await self._scan.partitions(topic))
            if partition is None:
                continue
            stretches = await self._scan.since([partition], report.created_at - _CLOCK_SKEW)
            records += [r async for r in self._scan.read(stretches) if _header(r, "ce_id") in wanted]
        stretches = await self._scan.since(
            await self._scan.partitions(DEAD_LETTER_TOPIC), report.created_at - _CLOCK_SKEW
        )
        places = {report.origin} | {record.origin for record in records}
        records += [record async for record in self._scan.read(stretches) if letter_of(record) in places]
        return Evidence(
            request_id=report.request_id,
            report=report,
            announced=announced,
            records=records,
            rows=await self._rows(ids),
        )

    async def _origin(self, origin: Origin) -> AsyncIterator[Record]:
        """The record that asked, if retention has left it."""
        partition = Partition(origin.topic, origin.partition)
        if partition in await self._scan.partitions(origin.topic):
            stretch = Stretch(partition=partition, start=origin.offset, end=origin.offset + 1)
            async for record in self._scan.read([stretch]):
                if record.origin == origin:
                    yield record

    async def _rows(self, ids: set[UUID]) -> list[StoredRow]:
        if self._database is None or not ids:
            return []
        statement = (resources.files("fanzgpt_workers.tracing") / "sql" / "rows_of_events.sql").read_text("utf-8")
        async with self._database.reading() as connection:
            rows = await connection.fetch(statement, list(ids))
        return [StoredRow(table=row["table_name"], event_id=row["id"], at=row["at"]) for row in rows]


def _announced(outbox: str | None) -> list[Announced]:
    """The events of an ending, from the ledger's text of them."""
    return [
        Announced(topic=event["topic"], event_id=_uuid(dict(map(tuple, event["headers"]))))
        for event in (orjson.loads(outbox) if outbox else [])
    ]


def _uuid(headers: Mapping[str, str]) -> UUID | None:
    try:
        return UUID(headers.get("ce_id", ""))
    except ValueError:
        return None


def _header(record: Record, name: str) -> bytes | None:
    return next((value for header, value in record.headers if header == name), None)
