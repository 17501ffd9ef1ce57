"""A provider that refuses, hangs, breaks off and talks nonsense: the retry table, to the call."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import sleep
from typing import Any

import psycopg
from tests.chaos.arena import Arena, arena, wait_until
from tests.chaos.outcome import Outcome, never_fired
from tests.chaos.proxy import proxied

from fanzgpt_schemas.codec import new_request
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_stack.servers import StackServers

ATTEMPT_SECONDS = 2
RETRY_AFTER = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the provider does to the first calls of a request, what the ledger must say of its calls, and the end."""

    does: Mapping[str, object]
    outcomes: tuple[str, ...]
    ends: str = "completed"
    times: int = 1


def _status(status: int, **more: object) -> dict[str, object]:
    return {"do": "status", "status": status, **more}


def _garbage(what: str, **more: object) -> dict[str, object]:
    return {"do": "garbage", "what": what, **more}


TABLE: Mapping[str, Case] = {
    "throttled": Case(does=_status(429), outcomes=("throttled", "ok")),
    "often-throttled": Case(does=_status(429), times=4, outcomes=("throttled",) * 4 + ("ok",)),
    "overloaded": Case(does=_status(529), outcomes=("overloaded", "ok")),
    "unavailable": Case(does=_status(503), outcomes=("overloaded", "ok")),
    "server-error": Case(does=_status(500), outcomes=("server-error", "ok")),
    "server-errors": Case(does=_status(500), times=3, outcomes=("server-error",) * 3, ends="failed"),
    "refused": Case(does=_status(400), outcomes=("refused",), ends="failed"),
    "unauthorized": Case(does=_status(401), outcomes=("unauthorized",), ends="failed"),
    "no-such-model": Case(does=_status(404), outcomes=("no-such-model",), ends="failed"),
    "out-of-credit": Case(
        does={"do": "status", "kind": "insufficient_quota"}, outcomes=("out-of-credit",), ends="failed"
    ),
    "hang": Case(does={"do": "hang"}, outcomes=("timeout", "ok")),
    "midway-hang": Case(does={"do": "hang", "after_bytes": 40}, outcomes=("timeout", "ok")),
    "cut": Case(does={"do": "cut", "after_bytes": 40}, outcomes=("cut", "ok")),
    "reset": Case(does={"do": "reset"}, outcomes=("cut", "ok")),
    "html": Case(does=_garbage("html"), outcomes=("malformed", "ok")),
    "invalid-json": Case(does=_garbage("invalid-json"), outcomes=("malformed", "ok")),
    "wrong-type": Case(does=_garbage("wrong-type"), outcomes=("malformed", "ok")),
    "empty-choices": Case(does=_garbage("empty-choices"), outcomes=("malformed", "ok")),
    "huge": Case(does=_garbage("huge", bytes=10_000_000), outcomes=("malformed", "ok")),
    "gzip-bomb": Case(does=_garbage("gzip-bomb", bytes=50_000_000), outcomes=("malformed", "ok")),
    "not-http": Case(does=_garbage("not-http"), outcomes=("malformed", "ok")),
}


def scripted(stack: StackServers, folder: Path, *, seed: int, each: int) -> Outcome:
    """So many requests of every case, at once; then one that is told to wait; then nobody at the door."""
    with arena(
        stack,
        folder,
        "provider-script",
        seed=seed,
        AI_ATTEMPT_TIMEOUT_SECONDS=str(ATTEMPT_SECONDS),
        AI_BREAKER_PROBE_SECONDS="0.1",
        # With limits, as at a maker's own address, all workers know of a Retry-After in the instant it is heard.
        AI_RATE_LIMIT_RPM="100000",
        AI_RATE_LIMIT_TPM="100000000",
    ) as field:
        emulator = field.system.emulator
        with proxied(emulator.openai_base_url) as (through, proxy):
            field.start_sinks()
            for _ in range(2):
                field.system.start("generation", OPENAI_BASE_URL=through)
            emulator.script(
                [
                    {
                        "name": name,
                        "match": {
                            "request_id": f"{field.prefix}-{name}-*",
                            "nth_of_request": list(range(1, case.times + 1)),
                        },
                        "action": case.does,
                    }
                    for name, case in TABLE.items()
                ]
            )
            field.publish([_request(field, name, number) for number in range(each) for name in TABLE])
            field.until_ended()
            waited = list(_told_to_wait(field))
            proxy.shut()
            field.publish([_request(field, "nobody", number) for number in range(each)])
            unreachable = "SELECT count(*) FROM ai_attempts WHERE outcome = 'unreachable'"
            wait_until(lambda: field.count(unreachable) > 0, "a call found nobody")
            sleep(0.5)
            proxy.open()
            field.fired["connection refused"] += 1
            field.until_ended()
        for rule in emulator.fired():
            field.fired[str(rule["name"])] += rule["fired"]
        required = {name: each * case.times for name, case in TABLE.items()}
        outcome = field.finish(required={"connection refused": 1, "retry-after": 1})
        return outcome.with_misses([*never_fired(field.fired, required), *waited, *_off_the_table(field)])


def _request(field: Arena, name: str, number: int) -> GenerationRequested:
    return new_request(
        type="social-post",
        request_id=f"{field.prefix}-{name}-{number}",
        user_id=f"{field.prefix}-{name}",
        input={"topic": f"morning workout {number}", "platform": "instagram"},
    )


def _told_to_wait(field: Arena) -> Iterator[str]:
    """A 429 with a Retry-After, and then others who want to call the same model."""
    emulator = field.system.emulator
    emulator.script(
        [
            {
                "name": "retry-after",
                "match": {"request_id": f"{field.prefix}-asked-*"},
                "action": _status(429, retry_after=RETRY_AFTER),
                "times": 1,
            }
        ]
    )
    before = len(emulator.bill())
    field.publish([_request(field, "asked", 0)])
    wait_until(lambda: len(emulator.bill()) > before, "the call that is refused")
    sleep(0.5)
    field.publish([_request(field, "others", number) for number in range(10)])
    field.until_ended()
    lines = emulator.bill()[before:]
    closed = datetime.fromisoformat(lines[0]["arrived_at"])
    for line in lines[1:]:
        after = (datetime.fromisoformat(line["arrived_at"]) - closed).total_seconds()
        if after < RETRY_AFTER:
            yield f"{line['request_id']} was called {after:.2f} s into a Retry-After of {RETRY_AFTER:g} s"


def _off_the_table(field: Arena) -> Iterator[str]:
    with psycopg.connect(field.system.endpoints["DATABASE_URL"]) as connection:
        rows: list[Any] = connection.execute(
            "SELECT request_id, state, array_agg(outcome ORDER BY ordinal) FROM ai_requests JOIN ai_attempts"
            " USING (request_key) GROUP BY request_id, state"
        ).fetchall()
    seen: dict[str, dict[tuple[str, tuple[str, ...]], int]] = defaultdict(lambda: defaultdict(int))
    for request_id, state, outcomes in rows:
        name = request_id.removeprefix(f"{field.prefix}-").rpartition("-")[0]
        seen[name][state, tuple(outcomes)] += 1
    for name, case in TABLE.items():
        for (state, outcomes), number in seen[name].items():
            if (state, outcomes) != (case.ends, case.outcomes):
                yield f"{name}: {number} ended as {state} after {outcomes}, not as {case.ends} after {case.outcomes}"
