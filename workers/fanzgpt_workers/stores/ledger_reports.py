"""The reading side of the ledger, for people and for tests: traces, unknown outcomes, sums; and pruning by age."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

import asyncpg

from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.stores.database import Database
from fanzgpt_workers.stores.statements import statement

GroupBy = Literal["all", "provider", "model", "type", "user", "cause", "outcome", "day"]

_PRUNED_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReport:
    """One provider call. `outcome` is None while it is under way; `cost_usd` None without a known price."""

    attempt_id: UUID
    ordinal: int
    epoch: int
    provider: str
    model: str
    cause: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    response_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    price_version: str | None
    finish_reason: str | None
    latency_ms: int | None
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReport:
    """One request and its calls. `state` is `claimed` until it has its ending; `outbox` holds the ending's events."""

    request_key: UUID
    request_id: str
    user_id: str
    generation_type: str
    state: str
    owner: UUID
    epoch: int
    origin: Origin
    conversation_id: str | None
    deadline: datetime | None
    outbox: str | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    published_at: datetime | None
    cached_from: str | None
    saved_usd: Decimal | None
    attempts: tuple[AttemptReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownAttempt:
    """A call that may be on the provider's bill without its answer here."""

    request_id: str
    user_id: str
    state: str
    attempt: AttemptReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Sums over a group of calls.

    `cost_usd` holds the calls with a known price; `unpriced` counts those with tokens and without a price, `unknown`
    those that may have been billed without our knowing. `cached` answers were not called for, and `saved_usd` is what
    their calls had cost; for groups that they do not belong to both are 0.
    """

    group: str
    requests: int
    attempts: int
    answered: int
    unknown: int
    under_way: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    unpriced: int
    cached: int
    saved_usd: Decimal


class LedgerReports:
    """Reads the ledger; raises DatabaseUnavailable and ConfigurationError as every store."""

    def __init__(self, database: Database) -> None:
        """Read through `database`."""
        self._database: Final = database

    async def trace(self, request_id: str) -> Sequence[RequestReport]:
        """Every request of this id with its attempts, oldest first; one for each user who used the id."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(statement("report_trace"), request_id)
        attempts: dict[UUID, list[AttemptReport]] = {}
        for row in rows:
            of_request = attempts.setdefault(row["request_key"], [])
            if row["attempt_id"] is not None:
                of_request.append(_attempt(row))
        requests = {row["request_key"]: row for row in rows}
        return [_request(row, tuple(attempts[key])) for key, row in requests.items()]

    async def unknown_attempts(self, *, under_way_for: float = 3600.0, limit: int = 1000) -> Sequence[UnknownAttempt]:
        """Calls that a crash hid, newest first; with them those that are under way for more seconds than given."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(statement("report_unknown_attempts"), under_way_for, limit)
        return [
            UnknownAttempt(
                request_id=row["request_id"], user_id=row["user_id"], state=row["state"], attempt=_attempt(row)
            )
            for row in rows
        ]

    async def totals(
        self, group_by: GroupBy = "all", *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[Total]:
        """Calls and money by group, for calls started from `since` up to before `until`; sorted by group."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(statement("report_totals"), group_by, since, until)
        return [Total(**row) for row in rows]

    async def prune(self, *, older_than: datetime) -> int:
        """Remove requests that ended before that instant and are published, with their attempts; returns how many.

        In batches of their own, each with the whole deadline, so that no lock is held for long.
        """
        pruned = 0
        while True:
            async with self._database.connection() as connection:
                answer = await connection.execute(statement("report_prune"), older_than, _PRUNED_AT_ONCE)
            removed = int(answer.split()[-1])
            pruned += removed
            if removed < _PRUNED_AT_ONCE:
                return pruned


def _attempt(row: asyncpg.Record) -> AttemptReport:
    return AttemptReport(
        attempt_id=row["attempt_id"],
        ordinal=row["ordinal"],
        epoch=row["attempt_epoch"],
        provider=row["provider"],
        model=row["model"],
        cause=row["cause"],
        started_at=row["started_at"],
        ended_at=row["attempt_ended_at"],
        outcome=row["outcome"],
        response_id=row["response_id"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cost_usd=row["cost_usd"],
        price_version=row["price_version"],
        finish_reason=row["finish_reason"],
        latency_ms=row["latency_ms"],
        detail=row["detail"],
    )


def _request(row: asyncpg.Record, attempts: tuple[AttemptReport, ...]) -> RequestReport:
    return RequestReport(
        request_key=row["request_key"],
        request_id=row["request_id"],
        user_id=row["user_id"],
        generation_type=row["generation_type"],
        state=row["state"],
        owner=row["owner"],
        epoch=row["epoch"],
        origin=Origin(row["origin_topic"], row["origin_partition"], row["origin_offset"]),
        conversation_id=row["conversation_id"],
        deadline=row["deadline"],
        outbox=row["outbox"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        ended_at=row["ended_at"],
        published_at=row["published_at"],
        cached_from=row["cached_from"],
        saved_usd=row["saved_usd"],
        attempts=attempts,
    )
