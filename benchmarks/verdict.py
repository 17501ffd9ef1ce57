"""What became of a run's requests, read from the ledger, the tables, the topic and the provider's own bill."""

import json
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from benchmarks.system import System
from fanzgpt_workers.tracing.scan import open_scan

_NANODOLLARS: Final = 1_000_000_000
_ALL: Final = 1_000_000_000

_COUNTS: Final = """
SELECT
    (SELECT count(*) FROM ai_generation_history) AS history_rows,
    (SELECT count(DISTINCT (metadata ->> 'requestId', user_id)) FROM ai_generation_history) AS requests_with_history,
    (SELECT count(*) FROM ai_analytics) AS analytics_rows,
    (SELECT count(*) FROM ai_requests WHERE state = 'completed') AS ledger_completed,
    (SELECT count(*) FROM ai_requests WHERE state <> 'completed') AS ledger_others,
    (SELECT count(*) FROM ai_attempts) AS attempts,
    (SELECT count(*) FROM ai_attempts WHERE outcome IS NULL OR outcome = 'unknown') AS attempts_unknown,
    (SELECT count(*) FROM users AS u WHERE coalesce((u.ai_usage_stats ->> 'total_generations')::bigint, 0)
        <> (SELECT count(*) FROM ai_generation_history AS h WHERE h.user_id = u.id)) AS users_with_wrong_statistics
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Counts of one run. The last three are differences between ledger and bill, over calls both know the end of."""

    history_rows: int
    requests_with_history: int
    analytics_rows: int
    ledger_completed: int
    ledger_others: int
    attempts: int
    attempts_unknown: int
    users_with_wrong_statistics: int
    completions_on_topic: int
    distinct_completions: int
    bill_lines: int
    bill_lines_without_attempt: int
    attempts_answered_without_bill_line: int
    cost_difference_usd: Decimal

    def misses(self, *, requests: int, lost_calls: int = 0) -> list[str]:
        """What is not as promised for so many requests, all to be completed; `lost_calls` were under way at kills."""
        wanted: dict[str, object] = {
            "history_rows": requests,
            "requests_with_history": requests,
            "analytics_rows": requests,
            "ledger_completed": requests,
            "ledger_others": 0,
            "users_with_wrong_statistics": 0,
            "distinct_completions": requests,
            "bill_lines_without_attempt": 0,
            "attempts_answered_without_bill_line": 0,
        }
        told = [
            f"{name} is {getattr(self, name)}, not {want}"
            for name, want in wanted.items()
            if getattr(self, name) != want
        ]
        if not requests <= self.bill_lines <= requests + lost_calls:
            told.append(f"bill_lines is {self.bill_lines}, not {requests} to {requests + lost_calls}")
        if self.attempts_unknown > lost_calls:
            told.append(f"attempts_unknown is {self.attempts_unknown}, more than {lost_calls}")
        if abs(self.cost_difference_usd) > Decimal("1e-9"):
            told.append(f"ledger and bill differ by {self.cost_difference_usd} USD")
        return told

    def as_rows(self) -> list[tuple[str, str]]:
        """Name and value of each count."""
        return [(field.name, str(getattr(self, field.name))) for field in fields(self)]


async def judge(system: System) -> Verdict:
    """Read everything; nothing may be running any more."""
    connection = await asyncpg.connect(system.endpoints["DATABASE_URL"])
    try:
        counts = dict(await connection.fetchrow(_COUNTS) or {})
        answered: dict[UUID, Decimal | None] = {
            row["attempt_id"]: row["cost_usd"]
            for row in await connection.fetch("SELECT attempt_id, cost_usd FROM ai_attempts WHERE outcome = 'ok'")
        }
        known = {row["attempt_id"] for row in await connection.fetch("SELECT attempt_id FROM ai_attempts")}
    finally:
        await connection.close()
    bill = {UUID(line["attempt_id"]): line for line in system.emulator.bill() if line["attempt_id"]}
    on_topic, distinct = await _completions(system)
    ledger_cost = sum((cost or Decimal(0) for cost in answered.values()), Decimal(0))
    bill_cost = sum(bill[key]["cost_nanodollars"] for key in answered if key in bill)
    return Verdict(
        **counts,
        completions_on_topic=on_topic,
        distinct_completions=distinct,
        bill_lines=len(system.emulator.bill()),
        bill_lines_without_attempt=sum(key not in known for key in bill),
        attempts_answered_without_bill_line=sum(key not in bill for key in answered),
        cost_difference_usd=ledger_cost - Decimal(bill_cost) / _NANODOLLARS,
    )


async def _completions(system: System) -> tuple[int, int]:
    """Completion records on the topic, and different events among them."""
    async with open_scan(system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]) as scan:
        whole = await scan.latest(await scan.partitions("ai.generation.completed"), records=_ALL)
        ids = [dict(record.headers)["ce_id"] async for record in scan.read(whole)]
    return len(ids), len(set(ids))


def as_json(verdict: Verdict) -> str:
    """One JSON object."""
    return json.dumps(dict(verdict.as_rows()))
