"""Bring a database to this release's schema, or say how far it is.

Safe to run from many places at once and again at any time: an advisory lock lets one run work while the others wait,
everything happens in one transaction, and every step is `IF NOT EXISTS`. Imports nothing heavy until it is called.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fanzgpt_workers.errors import ConfigurationError, DatabaseUnavailable
from fanzgpt_workers.stores.pg_address import address_of

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection

VERSION_TABLE: Final = "ai_schema_version"
MIGRATIONS: Final = Path(__file__).parent / "migrations"

# Any number that no other user of the shared database takes for an advisory lock.
_LOCK: Final = 0x46414E5A_4D494752
_CONNECT_SECONDS: Final = 10
_LOCK_SECONDS: Final = 5
_PASSING: Final = ("08", "53", "55", "57", "58", "40")
# libpq gives no code for what a server says while a connection is made.
_REFUSALS: Final = ("does not exist", "authentication failed", "no pg_hba.conf entry", "is not permitted to log in")


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaStatus:
    """How far a database is: the step it stands at (None before the first) and the steps still to apply, in order."""

    current: str | None
    pending: tuple[str, ...]


def migrate(database_url: str) -> list[str]:
    """Apply every step that is missing, in one transaction; returns their names (`0002_ledger`), in order.

    Raises ConfigurationError when a person has to act (no `users` table, no right to change it, a newer schema) and
    DatabaseUnavailable when trying again may help (not reachable, or `users` was locked for longer than 5 s).
    """
    with _connected(database_url) as connection:
        # Held until the transaction ends, so that runs at the same time follow one another.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        # ALTER TABLE waits for everybody on the shared users table, and everybody would wait behind it.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
        before = _status(connection, database_url)
        if before.pending:
            _require_users(connection, database_url)
            _upgrade(connection)
        return list(before.pending)


def status(database_url: str) -> SchemaStatus:
    """How far the database is; changes nothing. Raises as `migrate` does."""
    with _connected(database_url) as connection:
        return _status(connection, database_url)


@contextmanager
def _connected(database_url: str) -> "Iterator[Connection]":
    from sqlalchemy import create_engine, make_url  # noqa: PLC0415 - heavy: only when a migration is asked for
    from sqlalchemy.exc import ArgumentError, DBAPIError  # noqa: PLC0415 - as above
    from sqlalchemy.pool import NullPool  # noqa: PLC0415 - as above

    where = address_of(database_url)
    try:
        url = make_url(database_url).set(drivername="postgresql+psycopg")
    except ArgumentError as error:
        raise ConfigurationError(
            "DATABASE_URL is not a database address; it should look like postgresql://user:password@host:5432/name"
        ) from error
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": _CONNECT_SECONDS})
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None)
        said = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        if code.startswith(_PASSING) if code else not any(refusal in said for refusal in _REFUSALS):
            raise DatabaseUnavailable(f"PostgreSQL at {where} cannot be used now: {said}") from error
        raise ConfigurationError(f"PostgreSQL at {where} refuses the migration: {said}") from error
    finally:
        engine.dispose()


def _config_and_script() -> "tuple[Config, ScriptDirectory]":
    from alembic.config import Config  # noqa: PLC0415 - heavy: only when a migration is asked for
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config, ScriptDirectory.from_config(config)


def _status(connection: "Connection", database_url: str) -> SchemaStatus:
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - heavy: only when asked for

    _, script = _config_and_script()
    steps = {step.revision: Path(step.path).stem for step in reversed(list(script.walk_revisions()))}
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    current = context.get_current_revision()
    if current is not None and current not in steps:
        raise ConfigurationError(
            f"The database at {address_of(database_url)} has schema step {current}, which this release does not know: "
            "it was migrated by a newer release; run that one."
        )
    order = list(steps)
    done = 0 if current is None else order.index(current) + 1
    return SchemaStatus(
        current=None if current is None else steps[current], pending=tuple(steps[revision] for revision in order[done:])
    )


def _require_users(connection: "Connection", database_url: str) -> None:
    kind = connection.exec_driver_sql(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = to_regclass('users') AND attname = 'id' AND NOT attisdropped"
    ).scalar_one_or_none()
    if kind is None:
        raise ConfigurationError(
            f"There is no table users with a column id in the database at {address_of(database_url)}. It belongs to "
            "the main API server: let that one set up its database first, or check that DATABASE_URL names the right "
            "database. (The embedded stack, `fanzgpt stack up`, has one.)"
        )
    if kind != "uuid":
        raise ConfigurationError(
            f"users.id in the database at {address_of(database_url)} is {kind}; it has to be uuid for the tables of "
            "this system to refer to it."
        )


def _upgrade(connection: "Connection") -> None:
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415 - heavy: only when asked for

    config, script = _config_and_script()
    environment = EnvironmentContext(
        config,
        script,
        fn=lambda revision, _: script._upgrade_revs("head", revision),  # noqa: SLF001 - as alembic's own commands do
    )
    with environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()
