"""Migrations on a real server: exactly the contract's tables, from any start, from many places at once."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest

from fanzgpt_workers.errors import ConfigurationError, DatabaseUnavailable
from fanzgpt_workers.stores.migrate import migrate, status

STEPS = [
    "0001_contract_tables",
    "0002_ledger",
    "0003_sinks",
    "0004_dead_letters",
    "0005_claim_terms",
    "0006_money",
    "0007_batches",
]

COLUMNS = {
    "ai_generation_history": [
        ("id", "uuid", "NO", "gen_random_uuid()"),
        ("user_id", "uuid", "NO", None),
        ("generation_type", "character varying(50)", "NO", None),
        ("input_data", "jsonb", "NO", None),
        ("output_data", "jsonb", "NO", None),
        ("metadata", "jsonb", "YES", "'{}'::jsonb"),
        ("created_at", "timestamp with time zone", "YES", "now()"),
        ("updated_at", "timestamp with time zone", "YES", "now()"),
    ],
    "ai_analytics": [
        ("id", "uuid", "NO", "gen_random_uuid()"),
        ("user_id", "uuid", "NO", None),
        ("event_type", "character varying(50)", "NO", None),
        ("event_data", "jsonb", "NO", None),
        ("timestamp", "timestamp with time zone", "YES", "now()"),
    ],
}


@pytest.fixture
def admin(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def columns(admin: psycopg.Connection, table: str) -> list[tuple]:
    return admin.execute(
        "SELECT attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END,"
        " pg_get_expr(adbin, adrelid) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table],
    ).fetchall()


def catalogue(admin: psycopg.Connection) -> list[tuple]:
    return admin.execute(
        "SELECT 'column', attrelid::regclass::text, attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND attnum > 0"
        " UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        " UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2, 3"
    ).fetchall()


def test_a_new_database_gets_every_step_once(database_url: str) -> None:
    before = status(database_url)
    assert (before.current, list(before.pending)) == (None, STEPS)
    assert migrate(database_url) == STEPS
    assert migrate(database_url) == []
    after = status(database_url)
    assert (after.current, after.pending) == (STEPS[-1], ())


def test_the_tables_are_the_contracts_to_the_column(database_url: str, admin: psycopg.Connection) -> None:
    migrate(database_url)
    for table, expected in COLUMNS.items():
        assert columns(admin, table) == expected
    added = [column for column in columns(admin, "users") if column[0].startswith("ai_")]
    names = ("ai_preferences", "ai_usage_stats", "ai_personalization_data")
    assert added == [(name, "jsonb", "YES", "'{}'::jsonb") for name in names]


def test_the_indexes_and_references_are_the_contracts(database_url: str, admin: psycopg.Connection) -> None:
    migrate(database_url)
    found = {(row[1], row[2]): row[3] for row in catalogue(admin) if row[0] != "column"}
    for table, name, column in (
        ("ai_generation_history", "idx_ai_generation_history_user_id", "user_id"),
        ("ai_generation_history", "idx_ai_generation_history_type", "generation_type"),
        ("ai_analytics", "idx_ai_analytics_user_id", "user_id"),
        ("ai_analytics", "idx_ai_analytics_event_type", "event_type"),
    ):
        assert found[table, name].endswith(f"USING btree ({column})")
    for table in ("ai_generation_history", "ai_analytics"):
        assert found[table, f"{table}_user_id_fkey"] == "FOREIGN KEY (user_id) REFERENCES users(id)"


def test_what_the_main_api_server_made_before_is_left_as_it_is(database_url: str, admin: psycopg.Connection) -> None:
    admin.execute("ALTER TABLE users ADD COLUMN ai_preferences JSONB DEFAULT '{}'")
    admin.execute("INSERT INTO users (id, ai_preferences) VALUES (gen_random_uuid(), '{\"theirs\": 1}')")
    admin.execute(
        "CREATE TABLE ai_analytics (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), user_id UUID NOT NULL REFERENCES"
        " users (id), event_type VARCHAR(50) NOT NULL, event_data JSONB NOT NULL, timestamp TIMESTAMPTZ DEFAULT now())"
    )
    admin.execute("INSERT INTO ai_analytics (user_id, event_type, event_data) SELECT id, 'theirs', '{}' FROM users")
    assert migrate(database_url) == STEPS
    assert admin.execute("SELECT ai_preferences, ai_usage_stats FROM users").fetchall() == [({"theirs": 1}, {})]
    assert admin.execute("SELECT event_type FROM ai_analytics").fetchall() == [("theirs",)]
    assert columns(admin, "ai_analytics") == COLUMNS["ai_analytics"]


def test_every_step_may_be_executed_again(database_url: str, admin: psycopg.Connection) -> None:
    migrate(database_url)
    before = catalogue(admin)
    admin.execute("DELETE FROM ai_schema_version")
    assert migrate(database_url) == STEPS
    assert catalogue(admin) == before


def test_migrations_started_at_once_follow_one_another(database_url: str, admin: psycopg.Connection) -> None:
    with ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(migrate, [database_url] * 4))
    assert sorted(applied, key=len) == [[], [], [], STEPS]
    assert admin.execute("SELECT count(*) FROM ai_schema_version").fetchone() == (1,)


def test_without_a_users_table_it_says_whose_that_is_and_changes_nothing(
    database_url: str, admin: psycopg.Connection
) -> None:
    admin.execute("DROP TABLE users")
    with pytest.raises(ConfigurationError, match="belongs to the main API server"):
        migrate(database_url)
    assert catalogue(admin) == []


def test_users_with_another_kind_of_id_are_refused(database_url: str, admin: psycopg.Connection) -> None:
    admin.execute("DROP TABLE users; CREATE TABLE users (id BIGINT PRIMARY KEY)")
    with pytest.raises(ConfigurationError, match=r"users\.id .* is bigint; it has to be uuid"):
        migrate(database_url)


def test_a_newer_schema_is_left_alone(database_url: str, admin: psycopg.Connection) -> None:
    migrate(database_url)
    admin.execute("UPDATE ai_schema_version SET version_num = '9999'")
    for act in (migrate, status):
        with pytest.raises(ConfigurationError, match="migrated by a newer release"):
            act(database_url)


def test_users_locked_by_others_is_something_to_try_again_and_nothing_is_half_done(
    database_url: str, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanzgpt_workers.stores.migrate._LOCK_SECONDS", 0.2)
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            migrate(database_url)
    assert status(database_url).pending == tuple(STEPS)
    assert migrate(database_url) == STEPS


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/fanz") as caught:
        migrate("postgresql://fanz:geheim@127.0.0.1:1/fanz")
    assert "geheim" not in str(caught.value)


def test_a_wrong_database_name_and_an_unreadable_address_are_settings(database_url: str) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        status(database_url.replace(urlsplit(database_url).path, "/no_such_database"))
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not a database address"):
        status("not an address")


def test_importing_migrate_imports_nothing_heavy() -> None:
    code = (
        "import sys; import fanzgpt_workers.stores.migrate;"
        "print(sorted({'alembic', 'sqlalchemy', 'psycopg', 'asyncpg', 'pydantic'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
