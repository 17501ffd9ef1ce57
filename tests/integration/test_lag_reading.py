"""Lag of real groups on a real broker: exact to the millisecond, because the clock is an argument."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from fanzgpt_workers.cli import run
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.lag.accounts import Accounts
from fanzgpt_workers.lag.causes import FRESH_SECONDS, Causes
from fanzgpt_workers.lag.groups import open_groups
from fanzgpt_workers.lag.oldest import open_log
from fanzgpt_workers.lag.reading import Consumed, LagReader
from fanzgpt_workers.lag.standing import Standing
from fanzgpt_workers.limits.redis_minute import open_redis
from fanzgpt_workers.observability.metrics import Metrics
from fanzgpt_workers.stores.database import open_database
from fanzgpt_workers.stores.migrate import migrate

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


class Fixed:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
async def admin(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    yield admin
    await admin.close()


@pytest.fixture
async def topic(admin: AIOKafkaAdminClient) -> str:
    name = f"lagging.{uuid.uuid4().hex}"
    # Records are dated in the past here; retention must not take them away.
    answer = await admin.create_topics([NewTopic(name, 2, 1, topic_configs={"retention.ms": "-1"})])
    assert [code for _, code, _ in answer.topic_errors] == [0]
    return name


@pytest.fixture
def group() -> str:
    return f"lagging-{uuid.uuid4().hex}"


@pytest.fixture
async def producer(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        yield producer


async def write(producer: AIOKafkaProducer, topic: str, ages: Sequence[float], *, partition: int = 0) -> None:
    """One record for each age in seconds."""
    for age in ages:
        await producer.send_and_wait(topic, b"{}", partition=partition, timestamp_ms=NOW_MS - int(age * 1000))


async def commit(bootstrap: str, group: str, topic: str, offset: int, *, partition: int = 0) -> None:
    """Commit as a member would, and leave."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False) as consumer:
        tp = TopicPartition(topic, partition)
        consumer.assign([tp])
        await consumer.commit({tp: OffsetAndMetadata(offset, "")})


@pytest.fixture(autouse=True)
def _migrated(database_url: str) -> None:
    migrate(database_url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def reader(kafka_bootstrap: str, database_url: str) -> AsyncIterator[Callable[..., LagReader]]:
    async with AsyncExitStack() as stack:
        groups = await stack.enter_async_context(open_groups(kafka_bootstrap))
        log = await stack.enter_async_context(open_log(kafka_bootstrap))
        database = await stack.enter_async_context(await open_database(database_url, size=1))

        def make(*expected: Consumed, accounts: bool = False) -> LagReader:
            return LagReader(
                groups=groups,
                log=log,
                accounts=Accounts(database) if accounts else None,
                expected=expected,
                clock=Fixed(),
            )

        yield make


async def standing(reader: LagReader, group: str, partition: int = 0) -> Standing:
    report = await reader.read([group])
    (found,) = [s for s in report.standings if s.group == group and s.partition.number == partition]
    return found


async def test_a_group_without_members_is_read_to_the_millisecond(
    reader: Callable[..., LagReader], producer: AIOKafkaProducer, kafka_bootstrap: str, topic: str, group: str
) -> None:
    await write(producer, topic, [500, 400, 300.125, 200])
    await commit(kafka_bootstrap, group, topic, 2)
    found = await standing(reader(), group)
    assert (found.position, found.end, found.records) == (2, 4, 2)
    assert found.seconds == pytest.approx(300.125)
    assert found.owner is None


async def test_a_group_that_never_committed_is_behind_by_everything_there_is(
    reader: Callable[..., LagReader], producer: AIOKafkaProducer, topic: str, group: str
) -> None:
    await write(producer, topic, [10, 5], partition=1)
    expected = Consumed(group=group, topics=[topic])
    found = await standing(reader(expected), group, partition=1)
    assert (found.records, found.seconds) == (2, 10)
    nothing = await standing(reader(expected), group, partition=0)
    assert (nothing.records, nothing.seconds) == (0, 0)


async def test_nothing_behind_is_no_age(
    reader: Callable[..., LagReader], producer: AIOKafkaProducer, kafka_bootstrap: str, topic: str, group: str
) -> None:
    await write(producer, topic, [500])
    await commit(kafka_bootstrap, group, topic, 1)
    found = await standing(reader(), group)
    assert (found.records, found.seconds) == (0, 0)


async def test_a_member_is_named_as_the_owner_of_its_partitions(
    reader: Callable[..., LagReader], kafka_bootstrap: str, topic: str, group: str
) -> None:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_bootstrap, group_id=group, client_id="worker-7", auto_offset_reset="earliest"
    )
    async with consumer:
        await consumer.getmany(timeout_ms=2_000)
        assert len(consumer.assignment()) == 2
        report = await reader(Consumed(group=group, topics=[topic])).read()
        assert [s.owner for s in report.standings] == ["worker-7@127.0.0.1"] * 2
        assert report.members == {group: 1}


async def test_records_that_retention_has_taken_are_not_counted(
    reader: Callable[..., LagReader],
    admin: AIOKafkaAdminClient,
    producer: AIOKafkaProducer,
    kafka_bootstrap: str,
    topic: str,
    group: str,
) -> None:
    await write(producer, topic, [500, 400, 300])
    await commit(kafka_bootstrap, group, topic, 0)
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=2)})
    found = await standing(reader(), group)
    assert (found.position, found.records, found.seconds) == (2, 1, 300)


async def test_two_groups_at_different_places_of_one_partition_are_both_exact(
    reader: Callable[..., LagReader], producer: AIOKafkaProducer, kafka_bootstrap: str, topic: str, group: str
) -> None:
    await write(producer, topic, [500, 400, 300])
    other = f"{group}-other"
    await commit(kafka_bootstrap, group, topic, 1)
    await commit(kafka_bootstrap, other, topic, 2)
    report = await reader().read([group, other])
    assert {s.group: s.seconds for s in report.standings} == {group: 400, other: 300}


async def test_what_was_never_committed_is_no_record_and_has_no_age(
    reader: Callable[..., LagReader], kafka_bootstrap: str, topic: str, group: str
) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=group) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"{}", partition=0)
        await producer.abort_transaction()
    found = await standing(reader(Consumed(group=group, topics=[topic])), group)
    assert found.end == 2
    assert found.seconds is None


async def test_a_sink_stands_where_its_rows_say(
    reader: Callable[..., LagReader],
    producer: AIOKafkaProducer,
    kafka_bootstrap: str,
    database: asyncpg.Connection,
    topic: str,
    group: str,
) -> None:
    await write(producer, topic, [500, 400, 300])
    await commit(kafka_bootstrap, group, topic, 1)
    await database.execute(
        "INSERT INTO ai_sink_offsets (group_name, topic, partition, next_offset) VALUES ($1, $2, 0, 2)", group, topic
    )
    found = await standing(reader(accounts=True), group)
    assert (found.position, found.seconds) == (2, 300)


async def test_the_ledger_tells_what_is_done_above_the_committed_offset_and_what_is_in_flight(
    reader: Callable[..., LagReader],
    producer: AIOKafkaProducer,
    kafka_bootstrap: str,
    database: asyncpg.Connection,
    topic: str,
    group: str,
) -> None:
    await write(producer, topic, [500, 400, 300, 200])
    await commit(kafka_bootstrap, group, topic, 1)
    for offset, state in enumerate(["completed", "claimed", "completed", "failed"]):
        ended = None if state == "claimed" else NOW
        await database.execute(
            "INSERT INTO ai_requests (request_key, request_id, user_id, user_key, generation_type, fingerprint, state,"
            " owner, owner_order, epoch, origin_topic, origin_partition, origin_offset, outbox, ended_at, created_at)"
            " VALUES ($1, 'above', 'u', $1, 'social-post', '', $2, $1, 1, 1, $3, 0, $4, $5, $6,"
            " now() - interval '90 seconds')",
            uuid.uuid4(),
            state,
            topic,
            offset,
            ended and "[]",
            ended,
        )
    found = await standing(reader(Consumed(group=group, topics=[topic], requests=True), accounts=True), group)
    assert (found.commit_gap, found.in_flight) == (2, 1)
    assert found.oldest_in_flight_seconds == pytest.approx(90, abs=30)


async def test_groups_are_found_by_their_names(kafka_bootstrap: str, topic: str, group: str) -> None:
    await commit(kafka_bootstrap, group, topic, 0)
    async with open_groups(kafka_bootstrap) as groups:
        assert await groups.names(group) == [group]
        assert Partition(topic, 1) in await groups.partitions([topic, "no-such-topic"])
        assert (await groups.read("no-such-group")).members == 0


def test_the_command_tells_programs_and_people(
    kafka_bootstrap: str, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_GROUP_PREFIX", f"nobody-{uuid.uuid4().hex}")
    assert run(["topics", "apply"]) == 0
    capsys.readouterr()
    assert run(["lag", "-o", "json"]) == 0
    partitions = json.loads(capsys.readouterr().out)["partitions"]
    assert {one["members"] for one in partitions} == {0}
    assert {one["topic"] for one in partitions} >= {"ai.generation.requested", "ai.analytics.event"}
    assert run(["lag"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].split() == [
        "GROUP",
        "TOPIC",
        "BEHIND",
        "OLDEST",
        "GAP",
        "IN",
        "FLIGHT",
        "SINCE",
        "MEMBERS",
        "STATUS",
    ]
    assert len(told) == 8


def test_without_the_database_the_command_says_so_and_goes_on(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    monkeypatch.setenv("DATABASE_URL", "postgresql://fanz@127.0.0.1:1/fanz")
    assert run(["lag", "-o", "json"]) == 0
    assert "without the database's accounts: PostgreSQL at 127.0.0.1:1/fanz" in capsys.readouterr().err


class Stopped:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at


async def test_what_requests_wait_for_is_the_sum_over_the_workers_that_are_alive(redis_url: str) -> None:
    clock = Stopped()
    async with open_redis(redis_url) as redis:
        causes = Causes(redis, group="some-group", clock=clock)
        others = Causes(redis, group="another-group", clock=clock)
        assert await causes.told() == {}
        await causes.tell("a", {"provider-limit": 40, "user": 0})
        await causes.tell("b", {"provider-limit": 2, "breaker": 1})
        await others.tell("c", {"lane": 7})
        assert await causes.told() == {"breaker": 1, "provider-limit": 42}
        clock.at += timedelta(seconds=FRESH_SECONDS / 2)
        await causes.tell("b", {"provider-limit": 3})
        clock.at += timedelta(seconds=FRESH_SECONDS / 2 + 1)
        assert await causes.told() == {"provider-limit": 3}
        assert 0 < await redis.ttl("ai:waiting:{some-group}") <= 60


async def test_without_redis_nobody_says_what_requests_wait_for(kafka_bootstrap: str) -> None:
    async with open_redis("redis://127.0.0.1:1/0") as nowhere, open_groups(kafka_bootstrap) as groups:
        causes = Causes(nowhere, group="some-group", clock=Fixed())
        with pytest.raises(CacheUnavailable):
            await causes.told()
        with pytest.raises(CacheUnavailable):
            await causes.tell("a", {})
        async with open_log(kafka_bootstrap) as log:
            reader = LagReader(groups=groups, log=log, accounts=None, expected=(), clock=Fixed(), causes=causes)
            assert (await reader.read()).waiting_for is None


def test_the_command_says_what_requests_wait_for(
    kafka_bootstrap: str,
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prefix = f"waiting-{uuid.uuid4().hex}"
    for name, value in {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "KAFKA_GROUP_PREFIX": prefix,
    }.items():
        monkeypatch.setenv(name, value)

    async def tell() -> None:
        async with open_redis(redis_url) as redis:
            await Causes(redis, group=f"{prefix}.generation", clock=Stopped()).tell("a", {"provider-limit": 42})

    asyncio.run(tell())
    assert run(["lag", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["waitingFor"] == {"provider-limit": 42}
    assert run(["lag"]) == 0
    assert "provider-limit        42  what its provider allows in a minute, or at once" in capsys.readouterr().out


async def test_what_waits_at_half_the_price_is_told_though_its_records_are_done(
    kafka_bootstrap: str, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tomorrow = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            """
            INSERT INTO ai_batch_calls (request_key, epoch, term, provider, model, request, origin_topic,
                origin_partition, origin_offset, stated_at_ms, deadline, gathered_at, batch_key, returned, ended)
            SELECT gen_random_uuid(), 1, 1, 'openai', 'gpt-4o-mini', '{}', 'ai.generation.batch', 0, n, 0,
                CASE WHEN n < 5 THEN $1::timestamptz + make_interval(hours => n) END, now() - make_interval(mins => n),
                CASE WHEN n > 2 THEN gen_random_uuid() END, n = 4, n = 5
            FROM generate_series(1, 5) AS n
            """,
            tomorrow,
        )
    finally:
        await connection.close()
    async with await open_database(database_url) as database:
        places = {each.place: each for each in await Accounts(database).batched()}
    assert {place: each.requests for place, each in places.items()} == {"gathered": 2, "batched": 1, "alone": 1}
    assert 120 <= places["gathered"].oldest_seconds < 180
    assert places["gathered"].first_deadline == tomorrow.replace(hour=10)
    metrics = Metrics()
    metrics.batched(places.values())
    labels = 'model="gpt-4o-mini",place="gathered",provider="openai"'
    assert f"fanzgpt_half_price_requests{{{labels}}} 2.0" in metrics.scrape().decode()
    metrics.batched(())
    assert labels not in metrics.scrape().decode()
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert await asyncio.to_thread(run, ["lag", "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)["halfPrice"]
    assert [(each["place"], each["requests"]) for each in told] == [("alone", 1), ("batched", 1), ("gathered", 2)]
    assert await asyncio.to_thread(run, ["lag"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "gathered" in line)
    assert line.split()[:3] == ["openai/gpt-4o-mini", "gathered", "2"]
    assert line.endswith("2026-11-24 10:00:00 UTC")
