"""What only a real server can show of the sinks: writers at once, owners that wake up late, and foreign data."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import ConfigurationError, DatabaseUnavailable, Fenced
from fanzgpt_workers.sink_ports import Advance, AnalyticsRow, HistoryRow, PreferencesRow
from fanzgpt_workers.stores.database import Database, open_database
from fanzgpt_workers.stores.migrate import migrate
from fanzgpt_workers.stores.postgres_sink_store import analytics_store, history_store, preferences_store

USERS = [UUID(int=number) for number in range(1, 6)]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)

STATISTICS_DIFFER = """
    SELECT count(*) FROM users LEFT JOIN (
        SELECT user_id, count(*) AS n, max(created_at) AS latest FROM ai_generation_history GROUP BY user_id
    ) AS history ON user_id = id
    WHERE coalesce((ai_usage_stats ->> 'total_generations')::bigint, 0) <> coalesce(n, 0)
       OR (ai_usage_stats ->> 'last_generation')::timestamptz IS DISTINCT FROM latest
"""


@pytest.fixture
def sink_url(database_url: str) -> str:
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.cursor().executemany("INSERT INTO users (id) VALUES (%s)", [(user,) for user in USERS])
    return database_url


@pytest.fixture
async def database(sink_url: str) -> AsyncIterator[Database]:
    async with await open_database(sink_url) as database:
        yield database


def a_completion(user: UUID, at: datetime = NOON) -> HistoryRow:
    return HistoryRow(
        event_id=uuid4(),
        user_key=user,
        user_id=str(user),
        generation_type="social-post",
        input_data="{}",
        output_data="{}",
        metadata="{}",
        created_at=at,
    )


def a_change(user: UUID, preferences: dict, version: int) -> PreferencesRow:
    return PreferencesRow(
        event_id=uuid4(), user_key=user, user_id=str(user), preferences=json.dumps(preferences), version=version
    )


async def fetchval(database: Database, query: str, *arguments: object) -> object:
    async with database.connection() as connection:
        return await connection.fetchval(query, *arguments)


async def test_eight_history_sinks_and_their_neighbours_on_a_few_hot_users_lose_no_count(database: Database) -> None:
    async def history(partition: int) -> None:
        dice = random.Random(partition)
        store = history_store(database, group="history", unknown_users="dead-letter")
        for batch in range(6):
            rows = [a_completion(dice.choice(USERS), NOON + timedelta(seconds=dice.random() * 999)) for _ in range(20)]
            expected = 20 * batch or None
            step = Advance(partition=Partition("t", partition), expected=expected, next_offset=20 * batch + 20)
            assert await store.store(rows, [step]) == 20

    async def analytics(partition: int) -> None:
        store = analytics_store(database, group="analytics", unknown_users="dead-letter")
        for _ in range(6):
            users = random.Random(partition).sample(USERS, 5)
            rows = [
                AnalyticsRow(
                    event_id=uuid4(), user_key=u, user_id=str(u), event_type="e", event_data="{}", timestamp=NOON
                )
                for u in users
            ]
            assert await store.store(rows, []) == 5

    async def watch() -> None:
        while not done.is_set():
            assert await fetchval(database, STATISTICS_DIFFER) == 0, "statistics are rows, at every instant"

    done = asyncio.Event()
    watching = asyncio.create_task(watch())
    await asyncio.gather(*map(history, range(8)), *map(analytics, range(3)))
    done.set()
    await watching
    assert await fetchval(database, "SELECT count(*) FROM ai_generation_history") == 8 * 120
    assert await fetchval(database, STATISTICS_DIFFER) == 0


async def test_eight_writers_of_one_users_preferences_lose_no_update(database: Database) -> None:
    dice = random.Random(3)
    changes = [
        a_change(USERS[0], dict.fromkeys(dice.sample("abcdefgh", 3), number), dice.randrange(9))
        for number in range(160)
    ]
    expected: dict = {}
    for change in sorted(changes, key=lambda change: (change.version, change.event_id)):
        expected |= json.loads(change.preferences)

    async def write(writer: int) -> None:
        store = preferences_store(database, group=f"g{writer}", unknown_users="dead-letter")
        mine = changes[writer::8] + random.Random(writer).sample(changes, 10)
        for start in range(0, len(mine), 3):
            await store.store(mine[start : start + 3], [])

    await asyncio.gather(*map(write, range(8)))
    assert json.loads(await fetchval(database, "SELECT ai_preferences FROM users WHERE id = $1", USERS[0])) == expected


async def test_of_two_owners_of_one_partition_one_is_fenced(database: Database) -> None:
    partition = Partition("t", 0)
    stores = [history_store(database, group="g", unknown_users="dead-letter") for _ in range(2)]
    await stores[0].store([], [Advance(partition=partition, expected=None, next_offset=1)])
    stored, fenced = 0, 0
    for offset in range(1, 20):
        answers = await asyncio.gather(
            *(
                store.store([a_completion(USERS[0])], [Advance(partition=partition, expected=offset, next_offset=to)])
                for store, to in zip(stores, (offset + 1, offset + 2), strict=True)
            ),
            return_exceptions=True,
        )
        assert sorted(type(answer) for answer in answers if not isinstance(answer, int)) == [Fenced]
        stored += sum(answer for answer in answers if isinstance(answer, int))
        fenced += 1
        [at] = (await stores[0].next_offsets([partition])).values()
        await fetchval(database, "UPDATE ai_sink_offsets SET next_offset = $1 RETURNING 1", offset + 1)
        assert at in {offset + 1, offset + 2}
    assert (stored, fenced) == (19, 19)
    assert await fetchval(database, "SELECT count(*) FROM ai_generation_history") == 19


async def test_two_first_owners_of_a_partition_meet_and_one_is_fenced(database: Database) -> None:
    for number in range(10):
        answers = await asyncio.gather(
            *(
                history_store(database, group="g", unknown_users="dead-letter").store(
                    [a_completion(USERS[0])],
                    [Advance(partition=Partition("t", number), expected=None, next_offset=to)],
                )
                for to in (1, 2)
            ),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers if answer != 1] == [Fenced]


@pytest.mark.parametrize(
    "before",
    [
        None,
        "[]",
        "7",
        '{"total_generations": "many", "last_generation": 5, "theirs": 1}',
        '{"last_generation": "yesterday"}',
    ],
)
async def test_statistics_of_another_shape_are_replaced_and_other_keys_stay(
    database: Database, before: str | None
) -> None:
    await fetchval(database, "UPDATE users SET ai_usage_stats = $1::text::jsonb RETURNING 1", before)
    store = history_store(database, group="g", unknown_users="dead-letter")
    assert await store.store([a_completion(USERS[0])], []) == 1
    after = json.loads(await fetchval(database, "SELECT ai_usage_stats FROM users WHERE id = $1", USERS[0]))
    theirs = {"theirs": 1} if before and "theirs" in before else {}
    assert after == {"total_generations": 1, "last_generation": "2026-05-01T12:00:00.000000Z"} | theirs


async def test_what_others_wrote_into_preferences_stays(database: Database) -> None:
    await fetchval(database, """UPDATE users SET ai_preferences = '{"theirs": 1, "tone": "old"}' RETURNING 1""")
    store = preferences_store(database, group="g", unknown_users="dead-letter")
    await store.store([a_change(USERS[0], {"tone": "new"}, 1)], [])
    after = json.loads(await fetchval(database, "SELECT ai_preferences FROM users WHERE id = $1", USERS[0]))
    assert after == {"theirs": 1, "tone": "new"}


async def test_a_users_table_that_refuses_bare_rows_is_a_setting_to_change(sink_url: str, database: Database) -> None:
    with psycopg.connect(sink_url, autocommit=True) as admin:
        admin.execute("ALTER TABLE users ADD COLUMN email TEXT; UPDATE users SET email = ''")
        admin.execute("ALTER TABLE users ALTER COLUMN email SET NOT NULL")
    store = history_store(database, group="g", unknown_users="create")
    with pytest.raises(ConfigurationError, match="UNKNOWN_USERS=dead-letter"):
        await store.store([a_completion(uuid4())], [])


async def test_a_connection_killed_under_a_batch_leaves_all_or_nothing_and_the_batch_may_be_repeated(
    sink_url: str,
) -> None:
    rows = [a_completion(user) for user in USERS]
    step = Advance(partition=Partition("t", 0), expected=None, next_offset=5)
    async with await open_database(sink_url, application="victim", deadline=5) as database:
        store = history_store(database, group="g", unknown_users="dead-letter")
        with psycopg.connect(sink_url) as holder:
            holder.execute("SELECT 1 FROM users WHERE id = %s FOR UPDATE", [USERS[2]])
            storing = asyncio.create_task(store.store(rows, [step]))
            await until_somebody_waits_for_a_lock(sink_url)
            holder.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'")
            with pytest.raises(DatabaseUnavailable):
                await storing
        async with asyncio.timeout(5):
            while True:
                try:
                    assert await store.store(rows, [step]) == 5
                    break
                except DatabaseUnavailable:
                    await asyncio.sleep(0.01)
        assert await fetchval(database, STATISTICS_DIFFER) == 0


async def until_somebody_waits_for_a_lock(url: str) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(url, autocommit=True) as admin:
        async with asyncio.timeout(10):
            while admin.execute(query).fetchone() == (0,):
                await asyncio.sleep(0.01)
