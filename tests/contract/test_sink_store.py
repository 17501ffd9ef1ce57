"""What every sink store does; the same suite runs on PostgreSQL and on its twin in memory."""

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from fanzgpt_schemas.identity import user_key
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import Fenced, RowsRefused
from fanzgpt_workers.sink_ports import Advance, AnalyticsRow, HistoryRow, PreferencesRow, SinkStore
from fanzgpt_workers.stores.database import Database, open_database
from fanzgpt_workers.stores.memory_sink_store import (
    memory_analytics_store,
    memory_history_store,
    memory_preferences_store,
)
from fanzgpt_workers.stores.memory_tables import MemoryTables
from fanzgpt_workers.stores.migrate import migrate
from fanzgpt_workers.stores.postgres_sink_store import analytics_store, history_store, preferences_store
from fanzgpt_workers.stores.sink_rows import UnknownUsers

ALICE, BOB = uuid4(), uuid4()
PARTITION, OTHER = Partition("ai.generation.completed", 0), Partition("ai.generation.completed", 1)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Sink stores over one database in which Alice and Bob are users, and what that database holds."""

    history: Callable[[UnknownUsers], SinkStore[HistoryRow]]
    analytics: Callable[[UnknownUsers], SinkStore[AnalyticsRow]]
    preferences: Callable[[UnknownUsers], SinkStore[PreferencesRow]]
    statistics_of: Callable[[UUID], Awaitable[dict]]
    preferences_of: Callable[[UUID], Awaitable[dict]]
    original_id_of: Callable[[UUID], Awaitable[str | None]]
    count: Callable[[], Awaitable[tuple[int, int, int]]]  # users, history rows, analytics rows


@pytest.fixture(params=["postgres", "memory"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "memory":
        yield in_memory()
        return
    url = request.getfixturevalue("database_url")
    migrate(url)
    async with await open_database(url) as database:
        async with database.connection() as connection:
            await connection.execute("INSERT INTO users (id) VALUES ($1), ($2)", ALICE, BOB)
        yield in_postgres(database)


def in_postgres(database: Database) -> Subject:
    async def value(query: str, *arguments: object) -> object:
        async with database.connection() as connection:
            return await connection.fetchval(query, *arguments)

    async def statistics_of(user: UUID) -> dict:
        return json.loads(await value("SELECT ai_usage_stats FROM users WHERE id = $1", user))

    async def preferences_of(user: UUID) -> dict:
        return json.loads(await value("SELECT ai_preferences FROM users WHERE id = $1", user))

    async def original_id_of(user: UUID) -> str | None:
        return await value("SELECT original_id FROM ai_user_ids WHERE user_id = $1", user)

    async def count() -> tuple[int, int, int]:
        tables = ("users", "ai_generation_history", "ai_analytics")
        users, history, analytics = [await value(f"SELECT count(*) FROM {table}") for table in tables]
        return users, history, analytics

    return Subject(
        history=lambda policy: history_store(database, group="history", unknown_users=policy),
        analytics=lambda policy: analytics_store(database, group="analytics", unknown_users=policy),
        preferences=lambda policy: preferences_store(database, group="preferences", unknown_users=policy),
        statistics_of=statistics_of,
        preferences_of=preferences_of,
        original_id_of=original_id_of,
        count=count,
    )


def in_memory() -> Subject:
    tables = MemoryTables()
    tables.add_users([ALICE, BOB])

    async def statistics_of(user: UUID) -> dict:
        return tables.users[user].statistics

    async def preferences_of(user: UUID) -> dict:
        return tables.users[user].preferences

    async def original_id_of(user: UUID) -> str | None:
        return tables.users[user].original_id

    async def count() -> tuple[int, int, int]:
        return len(tables.users), len(tables.history), len(tables.analytics)

    return Subject(
        history=lambda policy: memory_history_store(tables, group="history", unknown_users=policy),
        analytics=lambda policy: memory_analytics_store(tables, group="analytics", unknown_users=policy),
        preferences=lambda policy: memory_preferences_store(tables, group="preferences", unknown_users=policy),
        statistics_of=statistics_of,
        preferences_of=preferences_of,
        original_id_of=original_id_of,
        count=count,
    )


def a_completion(user: UUID | str = ALICE, **changes: object) -> HistoryRow:
    row = HistoryRow(
        event_id=uuid4(),
        user_key=user_key(str(user)),
        user_id=str(user),
        generation_type="social-post",
        input_data='{"topic":"morning workout"}',
        output_data='{"post":"Up at six 💪"}',
        metadata='{"provider":"openai"}',
        created_at=NOON,
    )
    return replace(row, **changes)


def an_event(user: UUID | str = ALICE, **changes: object) -> AnalyticsRow:
    row = AnalyticsRow(
        event_id=uuid4(),
        user_key=user_key(str(user)),
        user_id=str(user),
        event_type="generation",
        event_data="{}",
        timestamp=NOON,
    )
    return replace(row, **changes)


def a_change(preferences: object, *, version: int = 1, user: UUID | str = ALICE, **changes: object) -> PreferencesRow:
    row = PreferencesRow(
        event_id=uuid4(),
        user_key=user_key(str(user)),
        user_id=str(user),
        preferences=json.dumps(preferences),
        version=version,
    )
    return replace(row, **changes)


def step(expected: int | None, next_offset: int, partition: Partition = PARTITION) -> Advance:
    return Advance(partition=partition, expected=expected, next_offset=next_offset)


async def test_nothing_is_stored_yet(subject: Subject) -> None:
    assert await subject.history("dead-letter").next_offsets([PARTITION, OTHER]) == {}


async def test_rows_statistics_and_offsets_are_stored_together(subject: Subject) -> None:
    store = subject.history("dead-letter")
    rows = [a_completion(), a_completion(created_at=NOON + timedelta(hours=1)), a_completion(BOB)]
    assert await store.store(rows, [step(None, 3), step(None, 11, OTHER)]) == 3
    assert await store.next_offsets([PARTITION, OTHER]) == {PARTITION: 3, OTHER: 11}
    assert await subject.statistics_of(ALICE) == {
        "total_generations": 2,
        "last_generation": "2026-05-01T13:00:00.000000Z",
    }
    assert await subject.statistics_of(BOB) == {
        "total_generations": 1,
        "last_generation": "2026-05-01T12:00:00.000000Z",
    }


async def test_the_last_generation_never_goes_back(subject: Subject) -> None:
    store = subject.history("dead-letter")
    await store.store([a_completion()], [])
    await store.store([a_completion(created_at=NOON - timedelta(days=400))], [])
    assert await subject.statistics_of(ALICE) == {
        "total_generations": 2,
        "last_generation": "2026-05-01T12:00:00.000000Z",
    }


async def test_an_event_stored_before_is_no_new_row_and_counts_once(subject: Subject) -> None:
    store = subject.history("dead-letter")
    row = a_completion()
    assert await store.store([row, row], [step(None, 2)]) == 1
    assert await store.store([row, a_completion()], [step(2, 4)]) == 1
    assert (await subject.statistics_of(ALICE))["total_generations"] == 2


async def test_a_batch_of_events_without_rows_still_advances(subject: Subject) -> None:
    store = subject.analytics("dead-letter")
    assert await store.store([], [step(None, 5)]) == 0
    assert await store.next_offsets([PARTITION]) == {PARTITION: 5}


async def test_each_group_and_partition_stands_for_itself(subject: Subject) -> None:
    await subject.history("dead-letter").store([], [step(None, 5)])
    assert await subject.analytics("dead-letter").next_offsets([PARTITION]) == {}
    assert await subject.history("dead-letter").next_offsets([OTHER]) == {}


@pytest.mark.parametrize("expected", [None, 4, 6])
async def test_a_partition_that_stands_elsewhere_fences_and_nothing_is_written(
    subject: Subject, expected: int | None
) -> None:
    store = subject.history("dead-letter")
    await store.store([], [step(None, 5)])
    with pytest.raises(Fenced, match="history"):
        await store.store([a_completion()], [step(None, 1, OTHER), step(expected, 9)])
    assert await store.next_offsets([PARTITION, OTHER]) == {PARTITION: 5}
    assert await subject.statistics_of(ALICE) == {}


async def test_a_repetition_of_what_was_stored_stores_nothing_and_is_not_fenced(subject: Subject) -> None:
    store = subject.history("dead-letter")
    row = a_completion()
    assert await store.store([row], [step(None, 1)]) == 1
    assert await store.store([row], [step(None, 1)]) == 0
    assert (await subject.statistics_of(ALICE))["total_generations"] == 1


async def test_rows_of_unknown_users_are_named_and_nothing_of_the_batch_is_written(subject: Subject) -> None:
    store = subject.history("dead-letter")
    known, unknown = a_completion(), a_completion("test-user-1")
    with pytest.raises(RowsRefused) as caught:
        await store.store([known, unknown], [step(None, 2)])
    assert list(caught.value.reasons) == [unknown.event_id]
    assert "test-user-1" in caught.value.reasons[unknown.event_id]
    assert await store.next_offsets([PARTITION]) == {}
    assert await subject.statistics_of(ALICE) == {}
    assert await store.store([known], [step(None, 2)]) == 1


async def test_unknown_users_are_created_where_that_is_chosen_and_keep_their_id(subject: Subject) -> None:
    plain = uuid4()
    rows = [a_completion("test-user-1"), a_completion("test-user-1"), a_completion(plain), a_completion()]
    assert await subject.history("create").store(rows, [step(None, 4)]) == 4
    assert (await subject.count())[:2] == (4, 4)
    assert await subject.original_id_of(user_key("test-user-1")) == "test-user-1"
    assert await subject.original_id_of(plain) is None, "a UUID needs no original"
    assert (await subject.statistics_of(user_key("test-user-1")))["total_generations"] == 2


async def test_a_created_user_is_there_for_every_sink(subject: Subject) -> None:
    await subject.analytics("create").store([an_event("test-user-1")], [step(None, 1)])
    await subject.preferences("create").store([a_change({"tone": "warm"}, user="test-user-1")], [step(None, 1)])
    assert (await subject.count())[0] == 3
    assert await subject.preferences_of(user_key("test-user-1")) == {"tone": "warm"}


async def test_a_fenced_batch_creates_no_user(subject: Subject) -> None:
    store = subject.history("create")
    await store.store([], [step(None, 5)])
    with pytest.raises(Fenced):
        await store.store([a_completion("test-user-1")], [step(4, 9)])
    assert (await subject.count())[0] == 2


BAD = {
    "not JSON": "{",
    "NUL in a value": '{"a":"\\u0000"}',
    "NUL in a key": '{"\\u0000":1}',
    "lone surrogate, escaped": '{"a":"\\ud800"}',
    "lone surrogate, raw": '{"a":"\ud800"}',
    "NaN": '{"a":NaN}',
    "too deep": "[" * 100_000 + "]" * 100_000,
    "a raw NUL": '{"a":"\x00"}',
    "empty": "",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
async def test_text_that_jsonb_refuses_is_found_among_its_neighbours(subject: Subject, text: str) -> None:
    store = subject.history("dead-letter")
    good = [a_completion() for _ in range(5)]
    bad = a_completion(BOB, **{random.choice(["input_data", "output_data", "metadata"]): text})
    with pytest.raises(RowsRefused) as caught:
        await store.store([*good[:3], bad, *good[3:]], [step(None, 6)])
    assert list(caught.value.reasons) == [bad.event_id]
    assert await store.store(good, [step(None, 6)]) == 5
    assert (await subject.count())[1] == 5


async def test_of_a_large_batch_exactly_the_bad_rows_are_named_at_once(subject: Subject) -> None:
    store = subject.history("dead-letter")
    rows = [a_completion(random.Random(place).choice([ALICE, BOB])) for place in range(500)]
    for place in (0, 251, 499):
        rows[place] = replace(rows[place], output_data='{"post":"\\u0000"}')
    rows[17] = replace(rows[17], generation_type="x" * 51)
    rows[250] = a_completion("nobody")
    with pytest.raises(RowsRefused) as caught:
        await store.store(rows, [step(None, 500)])
    assert set(caught.value.reasons) == {rows[place].event_id for place in (0, 17, 250, 251, 499)}
    left = [row for row in rows if row.event_id not in caught.value.reasons]
    assert await store.store(left, [step(None, 500)]) == 495


async def test_bad_rows_of_unknown_users_are_named_where_users_are_created_and_none_is_created(
    subject: Subject,
) -> None:
    bad = a_completion("test-user-1", input_data="{")
    with pytest.raises(RowsRefused) as caught:
        await subject.history("create").store([a_completion(), bad], [step(None, 2)])
    assert list(caught.value.reasons) == [bad.event_id]
    assert (await subject.count())[:2] == (2, 0)


async def test_analytics_rows_are_stored_once(subject: Subject) -> None:
    store = subject.analytics("dead-letter")
    row = an_event()
    assert await store.store([row, an_event(BOB)], [step(None, 2)]) == 2
    assert await store.store([row], [step(2, 3)]) == 0
    assert (await subject.count())[2] == 2


async def test_each_preference_belongs_to_its_last_writer(subject: Subject) -> None:
    store = subject.preferences("dead-letter")
    assert await store.store([a_change({"tone": "warm", "lang": "en"}, version=2)], []) == 1
    assert await store.store([a_change({"tone": "cold", "emoji": True}, version=1)], []) == 1
    assert await store.store([a_change({"lang": None}, version=3)], []) == 1
    assert await subject.preferences_of(ALICE) == {"tone": "warm", "lang": None, "emoji": True}


async def test_of_one_version_the_higher_event_id_stands(subject: Subject) -> None:
    low, high = (a_change({"tone": tone}, event_id=UUID(int=n)) for n, tone in ((1, "low"), (2, "high")))
    store = subject.preferences("dead-letter")
    assert await store.store([high], []) == 1
    assert await store.store([low, high], []) == 0
    assert await subject.preferences_of(ALICE) == {"tone": "high"}


async def test_a_change_that_is_overwritten_within_its_own_batch_is_no_new_row(subject: Subject) -> None:
    changes = [a_change({"tone": n}, version=n) for n in (1, 3, 2)]
    assert await subject.preferences("dead-letter").store(changes, []) == 1
    assert await subject.preferences_of(ALICE) == {"tone": 3}


@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"', "{"])
async def test_preferences_that_are_no_object_are_refused_alone(subject: Subject, text: str) -> None:
    store = subject.preferences("dead-letter")
    bad, good = replace(a_change({}), preferences=text), a_change({"tone": "warm"})
    with pytest.raises(RowsRefused) as caught:
        await store.store([bad, good], [step(None, 2)])
    assert list(caught.value.reasons) == [bad.event_id]


async def test_any_order_any_cut_and_any_duplication_give_the_same_preferences(subject: Subject) -> None:
    dice = random.Random(7)
    changes = [
        a_change(dict.fromkeys(dice.sample("abcdef", 3), n), version=dice.randrange(6), user=dice.choice([ALICE, BOB]))
        for n in range(60)
    ]
    expected: dict[UUID, dict] = {ALICE: {}, BOB: {}}
    for change in sorted(changes, key=lambda change: (change.version, change.event_id)):
        expected[change.user_key] |= json.loads(change.preferences)
    store = subject.preferences("dead-letter")
    delivered = [*changes, *dice.sample(changes, 30)]
    dice.shuffle(delivered)
    while delivered:
        size = dice.randint(1, 12)
        await store.store(delivered[:size], [])
        del delivered[:size]
    assert {user: await subject.preferences_of(user) for user in (ALICE, BOB)} == expected
