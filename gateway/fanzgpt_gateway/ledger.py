"""Requests by their id, read from the ledger; written by nobody here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

import asyncpg
import orjson

from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_schemas.generation import GenerationCompleted, GenerationFailed
from fanzgpt_schemas.identity import event_id, request_key

CONNECTIONS: Final = 4
_SQL: Final = files(__package__).joinpath("sql")


class LedgerUnavailable(Exception):
    """PostgreSQL does not answer, or has no ledger yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRequest:
    """A request as the ledger knows it; `ending` once it has ended."""

    request_id: str
    user_id: str
    type: str
    state: str
    created_at: datetime
    ended_at: datetime | None
    ending: GenerationCompleted | GenerationFailed | None


class LedgerReader:
    """Reads with few connections, each statement bounded in time; connects on first use."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", *, seconds: float) -> None:
        """Use `open_ledger`."""
        self._pool = pool
        self._seconds = seconds
        self._by_key = _SQL.joinpath("request_by_key.sql").read_text(encoding="utf-8")
        self._by_id = _SQL.joinpath("requests_by_id.sql").read_text(encoding="utf-8")

    async def of_user(self, user_id: str, request_id: str) -> KnownRequest | None:
        """The request of this user; another user's request of the same id is not looked at.

        Raises:
            LedgerUnavailable: PostgreSQL does not answer.
        """
        key = request_key(user_id, request_id)
        rows = await self._fetch(self._by_key, key, event_id(key, "completed"))
        return _known(rows[0], user_id=user_id, request_id=request_id) if rows else None

    async def of_anybody(self, request_id: str) -> list[KnownRequest]:
        """Requests of this id, of at most two users: for services, which may read everybody's.

        Raises:
            LedgerUnavailable: PostgreSQL does not answer.
        """
        rows = await self._fetch(self._by_id, request_id)
        return [_known(row, user_id=row["user_id"], request_id=request_id) for row in rows]

    async def ping(self) -> None:
        """Return where PostgreSQL answers and has a ledger; raises LedgerUnavailable."""
        await self._fetch("SELECT FROM ai_requests LIMIT 0")

    async def close(self) -> None:
        """Cut every connection: nothing is written here that could be lost."""
        self._pool.terminate()

    async def _fetch(self, statement: str, *arguments: object) -> Sequence[Any]:
        try:
            return await self._pool.fetch(statement, *arguments, timeout=self._seconds)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise LedgerUnavailable(f"{type(error).__name__}: {error}") from error


async def open_ledger(url: str, *, seconds: float) -> LedgerReader:
    """A reader; each statement may take `seconds`, connecting included."""
    pool = await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=CONNECTIONS,
        timeout=seconds,
        server_settings={
            "application_name": "fanzgpt-gateway",
            "default_transaction_read_only": "on",
            "statement_timeout": str(int(seconds * 1000)),
        },
    )
    return LedgerReader(pool, seconds=seconds)


def _known(row: Any, *, user_id: str, request_id: str) -> KnownRequest:
    return KnownRequest(
        request_id=request_id,
        user_id=user_id,
        type=row["generation_type"],
        state=row["state"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        ending=_from_history(row, user_id, request_id) if row["outbox"] is None else _from_outbox(row["outbox"]),
    )


def _from_outbox(outbox: str) -> GenerationCompleted | GenerationFailed | None:
    """The ending among the events that its worker published."""
    for event in orjson.loads(outbox):
        if event["topic"] == COMPLETED_TOPIC:
            return GenerationCompleted.model_validate_json(event["value"])
        if event["topic"] == FAILED_TOPIC:
            return GenerationFailed.model_validate_json(event["value"])
    return None


def _from_history(row: Any, user_id: str, request_id: str) -> GenerationCompleted | None:
    """The ending of a request that the ledger has forgotten, from its row of history."""
    if row["output_data"] is None:
        return None
    return GenerationCompleted(
        request_id=request_id,
        user_id=user_id,
        type=row["generation_type"],
        input=orjson.loads(row["input_data"]),
        output=orjson.loads(row["output_data"]),
        metadata=orjson.loads(row["metadata"] or "{}"),
    )
