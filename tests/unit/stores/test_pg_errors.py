import asyncpg
import pytest

from fanzgpt_workers.errors import ConfigurationError, DatabaseUnavailable
from fanzgpt_workers.stores.pg_errors import Meaning, meaning, told, translated

KINDS: list[tuple[BaseException, Meaning]] = [
    (asyncpg.CannotConnectNowError("the database system is starting up"), "passing"),
    (asyncpg.AdminShutdownError("terminating connection"), "passing"),
    (asyncpg.CrashShutdownError("x"), "passing"),
    (asyncpg.QueryCanceledError("canceling statement due to statement timeout"), "passing"),
    (asyncpg.TooManyConnectionsError("sorry, too many clients already"), "passing"),
    (asyncpg.DiskFullError("x"), "passing"),
    (asyncpg.OutOfMemoryError("x"), "passing"),
    (asyncpg.SerializationError("x"), "passing"),
    (asyncpg.DeadlockDetectedError("x"), "passing"),
    (asyncpg.LockNotAvailableError("x"), "passing"),
    (asyncpg.ConnectionDoesNotExistError("x"), "passing"),
    (asyncpg.ConnectionFailureError("x"), "passing"),
    (asyncpg.ReadOnlySQLTransactionError("x"), "passing"),
    (asyncpg.PostgresIOError("x"), "passing"),
    (asyncpg.InvalidCachedStatementError("x"), "passing"),
    (asyncpg.InterfaceError("connection is closed"), "passing"),
    (ConnectionRefusedError(), "passing"),
    (ConnectionResetError(), "passing"),
    (TimeoutError(), "passing"),
    (asyncpg.UntranslatableCharacterError("x"), "data"),
    (asyncpg.InvalidTextRepresentationError("x"), "data"),
    (asyncpg.StringDataRightTruncationError("x"), "data"),
    (asyncpg.StatementTooComplexError("stack depth limit exceeded"), "data"),
    (asyncpg.NotNullViolationError("x"), "data"),
    (asyncpg.DataError("invalid input for query argument $1"), "data"),
    (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), "data"),
    (asyncpg.ForeignKeyViolationError("x"), "unknown-user"),
    (asyncpg.InvalidPasswordError("x"), "setting"),
    (asyncpg.InvalidCatalogNameError("x"), "setting"),
    (asyncpg.UndefinedTableError("x"), "setting"),
    (asyncpg.InsufficientPrivilegeError("x"), "setting"),
    (asyncpg.PostgresSyntaxError("x"), "defect"),
    (asyncpg.CardinalityViolationError("x"), "defect"),
    (KeyError("x"), "defect"),
]


@pytest.mark.parametrize(("error", "expected"), KINDS, ids=[type(error).__name__ for error, _ in KINDS])
def test_every_error_has_one_meaning(error: BaseException, expected: Meaning) -> None:
    assert meaning(error) == expected


def test_what_may_pass_is_told_with_the_servers_address() -> None:
    error = translated(asyncpg.CannotConnectNowError("the database system is starting up"), address="db:5432/fanz")
    assert isinstance(error, DatabaseUnavailable)
    assert str(error) == (
        "PostgreSQL at db:5432/fanz cannot be used now: the database system is starting up (SQLSTATE 57P03)"
    )


def test_a_missing_table_says_what_to_run() -> None:
    error = translated(asyncpg.UndefinedTableError('relation "ai_requests" does not exist'), address="db:5432/fanz")
    assert isinstance(error, ConfigurationError)
    assert str(error).endswith("run `fanzgpt db migrate`")


def test_data_errors_and_defects_are_not_translated() -> None:
    assert translated(asyncpg.DataError("x"), address="db") is None
    assert translated(KeyError("x"), address="db") is None


def test_stored_values_are_not_told() -> None:
    error = asyncpg.InvalidTextRepresentationError("invalid input syntax for type json")
    error.detail, error.severity = 'Token "geheim" is invalid.', "ERROR"
    assert "geheim" not in told(error)
    assert "geheim" not in told(asyncpg.DataError("invalid input for query argument $3: ['geheim']"))
    assert "geheim" not in told(UnicodeEncodeError("utf-8", "geheim \ud800", 7, 8, "surrogates not allowed"))
