"""What an error of PostgreSQL or of the way to it means for a store: by class, so that every store decides alike."""

from typing import Final, Literal

import asyncpg

from fanzgpt_workers.errors import ConfigurationError, DatabaseUnavailable

Meaning = Literal[
    "passing",  # the server is away, busy or restarting: the same call may work later
    "data",  # these values can never be stored
    "unknown-user",  # a row refers to a user that is not there
    "setting",  # a person has to change the address, the password, the rights or the schema
    "defect",  # ours: nothing to wait for
]

# SQLSTATE by its first characters; the longest that fits decides.
_MEANINGS: Final[dict[str, Meaning]] = {
    "08": "passing",  # connection exception
    "25006": "passing",  # read-only transaction: we are talking to a standby, until the failover is done
    "25P03": "passing",  # idle in transaction for too long
    "25P04": "passing",  # transaction timeout
    "40": "passing",  # serialization failure, deadlock
    "53": "passing",  # out of connections, memory or disk
    "55P03": "passing",  # lock not available in time
    "57": "passing",  # shutdown, restart, crash, statement timeout
    "58": "passing",  # the server's own file system
    "22": "data",  # malformed or out of range
    "21000": "defect",  # the same row twice in one statement
    "23": "data",  # a constraint other than the ones below
    "23503": "unknown-user",  # foreign keys exist towards users alone
    "54": "data",  # larger or deeper than PostgreSQL can hold
    "0A000": "passing",  # a prepared statement whose tables changed meanwhile: prepared again the next time
    "26000": "passing",  # the same, behind a pooler
    "28": "setting",  # password or role
    "3D000": "setting",  # no such database
    "3F000": "setting",  # no such schema
    "42501": "setting",  # not allowed
    "42P01": "setting",  # no such table
    "42703": "setting",  # no such column
}

_ADVICE: Final = {
    "28": "check user and password in DATABASE_URL",
    "3D000": "check the database name in DATABASE_URL",
    "42501": "grant this role the right to read and write it",
    "42P01": "run `fanzgpt db migrate`",
    "42703": "run `fanzgpt db migrate`",
}


def meaning(error: BaseException) -> Meaning:
    """What a failure of asyncpg, of the network or of a deadline means."""
    if isinstance(error, asyncpg.PostgresError):
        code: str = error.sqlstate or ""
        for length in (5, 2):
            if found := _MEANINGS.get(code[:length]):
                return found
        return "defect"
    # The client's own: a value that cannot be encoded (a lone surrogate, an integer over 64 bits), ...
    if isinstance(error, asyncpg.DataError | UnicodeEncodeError | OverflowError):
        return "data"
    if isinstance(error, asyncpg.ClientConfigurationError):
        return "setting"
    # ... a connection that was closed under us, a socket, a deadline.
    if isinstance(error, asyncpg.InterfaceError | OSError | TimeoutError | EOFError):
        return "passing"
    return "defect"


def told(error: BaseException) -> str:
    """The error in words, without what could repeat stored values: the server's DETAIL, the client's argument."""
    if isinstance(error, asyncpg.DataError) and error.severity is None:
        return "a value that cannot be encoded as its column's type"
    if isinstance(error, UnicodeError):
        return "text that is not Unicode: a lone surrogate"
    if isinstance(error, asyncpg.PostgresError):
        return f"{error.args[0] if error.args else type(error).__name__} (SQLSTATE {error.sqlstate})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def translated(error: BaseException, *, address: str) -> DatabaseUnavailable | ConfigurationError | None:
    """The project's own error for what may pass and for what a person has to change; None for everything else."""
    match meaning(error):
        case "passing":
            return DatabaseUnavailable(f"PostgreSQL at {address} cannot be used now: {told(error)}")
        case "setting":
            code = getattr(error, "sqlstate", None) or ""
            advice = _ADVICE.get(code) or _ADVICE.get(code[:2])
            what = f"PostgreSQL at {address} refuses: {told(error)}"
            return ConfigurationError(f"{what}; {advice}" if advice else what)
        case _:
            return None
