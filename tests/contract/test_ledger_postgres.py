"""What only a real server can show: many processes at once, broken connections, deadlines, and the plans it takes."""

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import psycopg
import pytest

from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, Price, Usage
from fanzgpt_workers.core.claims import Claim, Granted, OwnedElsewhere
from fanzgpt_workers.core.endings import Ending, Saved, Superseded
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.errors import ConfigurationError, DatabaseUnavailable
from fanzgpt_workers.stores.database import Database, open_database
from fanzgpt_workers.stores.ledger_reports import LedgerReports
from fanzgpt_workers.stores.migrate import migrate
from fanzgpt_workers.stores.postgres_ledger import PostgresLedger
from fanzgpt_workers.stores.statements import statement

PARALLEL = 6


@pytest.fixture
def ledger_url(database_url: str) -> str:
    migrate(database_url)
    return database_url


@pytest.fixture
async def database(ledger_url: str) -> AsyncIterator[Database]:
    async with await open_database(ledger_url) as database:
        yield database


@pytest.fixture
def ledger(database: Database) -> PostgresLedger:
    return PostgresLedger(database, takeover_after=600)


def a_claim(key: UUID | None = None, **changes: object) -> Claim:
    claim = Claim(
        request_key=key or uuid4(),
        request_id="r-1",
        user_id="test-user-1",
        user_key=uuid4(),
        generation_type="social-post",
        fingerprint=b"\x01" * 32,
        origin=Origin("ai.generation.requested", 0, 7),
        owner=uuid4(),
        term=1,
    )
    return replace(claim, **changes)


def an_attempt(key: UUID, *, epoch: int = 1, ordinal: int = 1) -> AttemptStarted:
    return AttemptStarted(
        attempt_id=uuid4(), request_key=key, epoch=epoch, ordinal=ordinal, provider="openai", model="m", cause="first"
    )


def an_ending(key: UUID, *, epoch: int = 1, outbox: str = "[]", settles: AttemptEnded | None = None) -> Ending:
    return Ending(request_key=key, epoch=epoch, state="completed", outbox=outbox, settles=settles)


async def test_of_many_processes_that_claim_the_same_new_requests_each_is_granted_once(
    ledger: PostgresLedger,
) -> None:
    keys = [uuid4() for _ in range(60)]

    def batch(process: int) -> list[Claim]:
        places = random.Random(process).sample(keys, len(keys))
        return [a_claim(key, origin=Origin("requests", process, 0)) for key in places]

    batches = [batch(process) for process in range(PARALLEL)]
    answers = await asyncio.gather(*(ledger.claim(batch) for batch in batches))
    granted = Counter(
        claim.request_key
        for batch, verdicts in zip(batches, answers, strict=True)
        for claim, verdict in zip(batch, verdicts, strict=True)
        if verdict == Granted(1)
    )
    assert granted == Counter(keys)
    others = {type(verdict) for verdicts in answers for verdict in verdicts} - {Granted}
    assert others == {OwnedElsewhere}


async def test_takeovers_at_once_have_epochs_of_their_own_and_only_the_last_one_writes(ledger: PostgresLedger) -> None:
    keys = [uuid4() for _ in range(40)]
    await ledger.claim([a_claim(key) for key in keys])
    first = [an_attempt(key) for key in keys]
    assert all(await ledger.start_attempts(first))

    async def take_over(process: int) -> dict[UUID, int]:
        places = random.Random(process).sample(keys, len(keys))
        verdicts = await ledger.claim([a_claim(key) for key in places])
        assert all(isinstance(verdict, Granted) and verdict.past[0].outcome == "unknown" for verdict in verdicts)
        return {key: verdict.epoch for key, verdict in zip(places, verdicts, strict=True)}

    epochs = await asyncio.gather(*(take_over(process) for process in range(PARALLEL)))
    for key in keys:
        assert sorted(taken[key] for taken in epochs) == list(range(2, PARALLEL + 2))

    async def work(taken: dict[UUID, int]) -> list[bool]:
        return list(await ledger.start_attempts([an_attempt(key, epoch=epoch) for key, epoch in taken.items()]))

    started = await asyncio.gather(*(work(taken) for taken in epochs))
    for taken, answers in zip(epochs, started, strict=True):
        assert answers == [epoch == PARALLEL + 1 for epoch in taken.values()]


async def test_everything_at_once_neither_deadlocks_nor_ends_a_request_twice(ledger: PostgresLedger) -> None:
    keys = [uuid4() for _ in range(30)]

    async def life(process: int) -> list[UUID]:
        dice = random.Random(process)
        saved: list[UUID] = []
        for turn in range(6):
            chosen = dice.sample(keys, 20)
            verdicts = await ledger.claim([a_claim(key) for key in chosen])
            epochs = {key: v.epoch for key, v in zip(chosen, verdicts, strict=True) if isinstance(v, Granted)}
            attempts = [an_attempt(key, epoch=epoch) for key, epoch in epochs.items()]
            await ledger.start_attempts(attempts)
            ended = [AttemptEnded(attempt_id=attempt.attempt_id, outcome="ok") for attempt in attempts]
            dice.shuffle(ended)
            await ledger.settle(ended[::2])
            endings = [
                an_ending(key, epoch=epoch, outbox=f"[{process},{turn}]", settles=dice.choice([None, *ended]))
                for key, epoch in epochs.items()
                if turn > 2
            ]
            dice.shuffle(endings)
            answers = await ledger.finish(endings)
            saved += [e.request_key for e, answer in zip(endings, answers, strict=True) if answer == Saved()]
            await ledger.mark_published(saved)
        return saved

    saved = await asyncio.gather(*(life(process) for process in range(PARALLEL)))
    assert max(Counter(key for keys in saved for key in keys).values()) == 1


async def test_a_takeover_sees_the_attempt_that_was_being_written_while_it_waited(
    ledger: PostgresLedger, ledger_url: str
) -> None:
    claim = a_claim()
    await ledger.claim([claim])
    attempt = an_attempt(claim.request_key)
    other = await asyncpg.connect(ledger_url)
    try:
        transaction = other.transaction()
        await transaction.start()
        columns = ([attempt.attempt_id], [attempt.request_key], [1], [1], ["openai"], ["m"], ["first"])
        await other.fetch(statement("start_attempts"), *columns)

        takeover = asyncio.create_task(ledger.claim([claim]))
        await until_somebody_waits_for_a_lock(ledger_url)
        await transaction.commit()
        [verdict] = await takeover
    finally:
        await other.close()
    assert isinstance(verdict, Granted)
    assert [(past.attempt_id, past.outcome) for past in verdict.past] == [(attempt.attempt_id, "unknown")]


async def test_a_claim_that_arrives_after_its_own_repetition_changes_nothing(database: Database) -> None:
    order = iter([2, 1, 3])
    ledger = PostgresLedger(database, takeover_after=600, order=lambda: next(order))
    claim = a_claim()
    assert await ledger.claim([claim]) == [Granted(1)]
    [late] = await ledger.claim([claim])
    assert isinstance(late, OwnedElsewhere)
    assert await ledger.start_attempts([an_attempt(claim.request_key, epoch=1)]) == [True]
    [verdict] = await ledger.claim([claim])
    assert isinstance(verdict, Granted)
    assert verdict.epoch == 2


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with await open_database(f"postgresql://fanz:geheim@127.0.0.1:{port}/fanz") as database:
            with pytest.raises(DatabaseUnavailable, match=f"127.0.0.1:{port}/fanz") as caught:
                await PostgresLedger(database, takeover_after=1).claim([a_claim()])
    assert "geheim" not in str(caught.value)


async def test_a_server_that_never_answers_is_given_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with await open_database(f"postgresql://fanz@127.0.0.1:{port}/fanz", deadline=0.3) as database:
            began = asyncio.get_running_loop().time()
            with pytest.raises(DatabaseUnavailable, match="no answer in time"):
                await PostgresLedger(database, takeover_after=1).claim([a_claim()])
            assert asyncio.get_running_loop().time() - began < 5


@pytest.mark.parametrize("url", ["", "mysql://h/d", "postgresql://u:geheim@h:port/d", "h:5432/d"])
async def test_an_address_that_cannot_be_read_is_a_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not a database address") as caught:
        await open_database(url)
    assert "geheim" not in str(caught.value)


async def test_a_wrong_database_name_is_a_setting_and_not_waited_for(ledger_url: str) -> None:
    wrong = ledger_url.replace(urlsplit(ledger_url).path, "/no_such_database")
    async with await open_database(wrong) as database:
        with pytest.raises(ConfigurationError, match="check the database name"):
            await PostgresLedger(database, takeover_after=1).claim([a_claim()])


async def test_a_database_without_our_tables_says_what_to_run(database_url: str) -> None:
    async with await open_database(database_url) as database:
        with pytest.raises(ConfigurationError, match="fanzgpt db migrate"):
            await PostgresLedger(database, takeover_after=1).claim([a_claim()])


async def test_after_every_connection_was_killed_the_next_calls_work(ledger_url: str) -> None:
    async with await open_database(ledger_url, application="victim") as database:
        ledger = PostgresLedger(database, takeover_after=600)
        await asyncio.gather(*(ledger.claim([a_claim()]) for _ in range(4)))
        with psycopg.connect(ledger_url, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'")
        claim = a_claim()
        verdict = await eventually_available(lambda: ledger.claim([claim]))
        assert isinstance(verdict[0], Granted)


async def test_a_connection_killed_under_a_statement_is_unavailability_and_the_call_may_be_repeated(
    ledger_url: str,
) -> None:
    claim = a_claim()
    async with await open_database(ledger_url, application="victim") as database:
        ledger = PostgresLedger(database, takeover_after=600)
        await ledger.claim([claim])
        with psycopg.connect(ledger_url) as holder:
            holder.execute("SELECT 1 FROM ai_requests FOR UPDATE")
            finishing = asyncio.create_task(ledger.finish([an_ending(claim.request_key)]))
            await until_somebody_waits_for_a_lock(ledger_url)
            holder.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'")
            with pytest.raises(DatabaseUnavailable):
                await finishing
        assert await eventually_available(lambda: ledger.finish([an_ending(claim.request_key)])) == [Saved()]


async def test_a_statement_that_waits_past_the_deadline_is_given_up_here_and_on_the_server(ledger_url: str) -> None:
    claim = a_claim()
    async with await open_database(ledger_url, deadline=0.5, application="victim") as database:
        ledger = PostgresLedger(database, takeover_after=600)
        await ledger.claim([claim])
        with psycopg.connect(ledger_url) as holder:
            holder.execute("SELECT 1 FROM ai_requests FOR UPDATE")
            with pytest.raises(DatabaseUnavailable):
                await ledger.finish([an_ending(claim.request_key)])
            with psycopg.connect(ledger_url, autocommit=True) as admin:
                await until(
                    lambda: one(
                        admin,
                        "SELECT count(*) = 0 FROM pg_stat_activity"
                        " WHERE application_name = 'victim' AND state = 'active'",
                    )
                )
        assert await ledger.finish([an_ending(claim.request_key)]) == [Saved()]


async def test_a_pool_without_a_free_connection_is_unavailability(ledger_url: str) -> None:
    async with await open_database(ledger_url, size=1, deadline=0.3) as database:
        ledger = PostgresLedger(database, takeover_after=600)
        await ledger.claim([a_claim()])
        pool = database._pool
        async with pool.acquire():
            with pytest.raises(DatabaseUnavailable, match="no answer in time"):
                await ledger.claim([a_claim()])
        assert await ledger.claim([a_claim()]) == [Granted(1)]


async def test_a_cancelled_call_leaves_a_working_pool(ledger_url: str) -> None:
    claim = a_claim()
    async with await open_database(ledger_url, size=1) as database:
        ledger = PostgresLedger(database, takeover_after=600)
        await ledger.claim([claim])
        with psycopg.connect(ledger_url) as holder:
            holder.execute("SELECT 1 FROM ai_requests FOR UPDATE")
            finishing = asyncio.create_task(ledger.finish([an_ending(claim.request_key)]))
            await until_somebody_waits_for_a_lock(ledger_url)
            finishing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await finishing
        assert isinstance((await ledger.finish([an_ending(claim.request_key)]))[0], Saved | Superseded)


async def test_reports_show_a_request_with_its_money(ledger: PostgresLedger, database: Database) -> None:
    claim, other = a_claim(request_id="r-2"), a_claim(request_id="r-2", user_id="another")
    await ledger.claim([claim, other])
    paid, hidden = an_attempt(claim.request_key), an_attempt(other.request_key)
    await ledger.start_attempts([paid, hidden])
    ended = AttemptEnded(
        attempt_id=paid.attempt_id,
        outcome="ok",
        usage=Usage(input=10, output=5),
        price=Price(usd=Decimal("0.00012"), version="1"),
    )
    await ledger.finish([an_ending(claim.request_key, settles=ended)])
    await ledger.claim([other])

    reports = LedgerReports(database)
    traced = {report.user_id: report for report in await reports.trace("r-2")}
    assert traced["test-user-1"].state == "completed"
    assert [attempt.cost_usd for attempt in traced["test-user-1"].attempts] == [Decimal("0.00012")]
    assert traced["another"].epoch == 2
    assert await reports.trace("no such request") == []

    [unknown] = await reports.unknown_attempts()
    assert (unknown.user_id, unknown.attempt.attempt_id) == ("another", hidden.attempt_id)

    [total] = await reports.totals()
    assert (total.group, total.requests, total.attempts, total.answered, total.unknown) == ("all", 2, 2, 1, 1)
    assert (total.input_tokens, total.cost_usd, total.unpriced) == (10, Decimal("0.00012"), 0)
    assert [total.group for total in await reports.totals("user")] == ["another", "test-user-1"]
    assert await reports.totals("day", until=datetime(2020, 1, 1, tzinfo=UTC)) == []


async def test_pruning_removes_only_what_ended_long_ago_and_is_published(
    ledger: PostgresLedger, database: Database
) -> None:
    claims = [a_claim(request_id=name) for name in ("published", "not published", "running")]
    await ledger.claim(claims)
    await ledger.start_attempts([an_attempt(claim.request_key) for claim in claims])
    await ledger.finish([an_ending(claim.request_key) for claim in claims[:2]])
    await ledger.mark_published([claims[0].request_key])
    reports = LedgerReports(database)
    assert await reports.prune(older_than=datetime.now(UTC) - timedelta(hours=1)) == 0
    assert await reports.prune(older_than=datetime.now(UTC) + timedelta(hours=1)) == 1
    assert await reports.trace("published") == []
    assert [total.attempts for total in await reports.totals()] == [2]


HOT = {
    "claim": {"ai_requests_pkey"},
    "claim_standing": {"ai_requests_pkey"},
    "take_over_attempts": {"idx_ai_attempts_request_key", "ai_attempts_pkey"},
    "start_attempts": {"ai_requests_pkey", "ai_attempts_pkey"},
    "settle": {"ai_attempts_pkey"},
    "start_attempts_budgeted": {"ai_requests_pkey", "ai_attempts_pkey", "ai_budgets_pkey"},
    "settle_budgeted+settled": {"ai_attempts_pkey", "ai_budgets_pkey"},
    "settle_budgeted+finish": {"ai_requests_pkey", "ai_attempts_pkey", "ai_budgets_pkey"},
    "finish_settled+finish": {"ai_requests_pkey", "ai_attempts_pkey"},
    "finish_standing": {"ai_requests_pkey"},
    "mark_published": {"ai_requests_pkey"},
    "report_trace": {"idx_ai_requests_request_id", "idx_ai_attempts_request_key"},
    "sink_gate+sink_history": {"ai_sink_offsets_pkey", "users_pkey", "ai_generation_history_pkey"},
    "sink_gate+sink_analytics": {"ai_sink_offsets_pkey", "users_pkey", "ai_analytics_pkey"},
    "sink_gate+sink_preferences": {"ai_sink_offsets_pkey", "users_pkey", "ai_preference_versions_pkey"},
    "sink_next_offsets": {"ai_sink_offsets_pkey"},
    "sink_known_users": {"users_pkey"},
    "batch_hold": {"ai_batch_calls_pkey"},
    "batch_rejoin": {"ai_batch_calls_pkey"},
}


@pytest.mark.parametrize("name", HOT)
async def test_hot_statements_go_through_their_indexes_even_while_the_tables_are_empty(
    database: Database, name: str
) -> None:
    sql = "".join(statement(part) for part in name.split("+"))
    async with database.connection() as connection:
        [plan] = json.loads(await explained(connection, sql))
    nodes = list(descend(plan["Plan"]))
    assert not [node for node in nodes if node.get("Disabled") or node["Node Type"] in {"Seq Scan", "Hash Join"}]
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    used |= {index for node in nodes for index in node.get("Conflict Arbiter Indexes", [])}
    assert used == HOT[name]


def test_every_statement_of_the_ledger_and_the_sinks_is_looked_at() -> None:
    folder = Path(statement.__code__.co_filename).parent / "sql"
    rare = {"report_prune", "report_totals", "report_unknown_attempts"}
    rare |= {"sink_create_users", "sink_keep_user_ids", "sink_meet_partitions"}
    rare |= {"resolutions", "resolve_letter"}
    rare |= {"batch_gather", "batch_groups", "batch_returned", "batch_take"}
    rare |= {"budgets_meet", "budgets_lock", "budgets_recount", "report_budgets", "repricing_page", "reprice"}
    assert {path.stem for path in folder.glob("*.sql")} - rare == {part for name in HOT for part in name.split("+")}


async def explained(connection: asyncpg.Connection, sql: str) -> str:
    """The generic plan, which is the one that the stores' sessions use."""
    prepared = await connection.prepare(sql)
    nulls = ", ".join(["NULL"] * len(prepared.get_parameters()))
    types = ", ".join(
        f"{p.schema}.{p.name}".replace("[]", "") + "[]" * p.name.endswith("[]") for p in prepared.get_parameters()
    )
    await connection.execute("DEALLOCATE ALL")
    await connection.execute(f"PREPARE looked_at ({types}) AS {sql}")
    return await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE looked_at ({nulls})")


def descend(node: dict) -> Iterator[dict]:
    yield node
    for inner in node.get("Plans", []):
        yield from descend(inner)


def one(connection: psycopg.Connection, query: str) -> bool:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def until_somebody_waits_for_a_lock(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        query = (
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        await until(lambda: one(admin, query))


async def eventually_available(call: Callable) -> object:
    async with asyncio.timeout(10):
        while True:
            try:
                return await call()
            except DatabaseUnavailable:
                await asyncio.sleep(0.01)
