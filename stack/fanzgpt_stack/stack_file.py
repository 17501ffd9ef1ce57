"""`stack.json`, where the stack says what it runs and how to reach it.

`endpoints` is there only while the stack is up: variable names and values, as every process of the system reads them.
Standard library only, so that reading it costs a command nothing.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

VERSION: Final = 1
NAME: Final = "stack.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """A server as it was started: its process, where it listens, and a digest of its configuration."""

    pid: int
    started: float
    port: int
    configuration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFile:
    """What is known of a stack. `ports` outlive their servers, so that addresses stay the same."""

    ports: Mapping[str, int] = field(default_factory=dict)
    servers: Mapping[str, ServerRecord] = field(default_factory=dict)
    endpoints: Mapping[str, str] | None = None

    @classmethod
    def read(cls, home: Path) -> Self:
        """The stack of that folder; nothing is known where the file is missing, foreign or cannot be understood."""
        try:
            document = json.loads((home / NAME).read_text(encoding="utf-8"))
            if document["version"] != VERSION:
                return cls()
            return cls(
                ports={str(name): int(port) for name, port in document["ports"].items()},
                servers={
                    str(name): ServerRecord(
                        pid=int(record["pid"]),
                        started=float(record["started"]),
                        port=int(record["port"]),
                        configuration=str(record["configuration"]),
                    )
                    for name, record in document["servers"].items()
                },
                endpoints=_texts(document.get("endpoints")),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def write(self, home: Path) -> None:
        """Replace the file as a whole; only its owner may read it, for it holds the database's password."""
        document: dict[str, object] = {
            "version": VERSION,
            "ports": dict(self.ports),
            "servers": {
                name: {
                    "pid": record.pid,
                    "started": record.started,
                    "port": record.port,
                    "configuration": record.configuration,
                }
                for name, record in self.servers.items()
            },
        }
        if self.endpoints is not None:
            document["endpoints"] = dict(self.endpoints)
        home.mkdir(parents=True, exist_ok=True)
        draft = home / f".{NAME}.{os.getpid()}"
        with open(draft, "w", encoding="utf-8", opener=_private) as file:
            json.dump(document, file, indent=2)
            file.write("\n")
        draft.replace(home / NAME)

    def with_server(self, name: str, record: ServerRecord | None) -> Self:
        """The same with one server's record replaced, or taken out."""
        servers = {other: kept for other, kept in self.servers.items() if other != name}
        return replace(self, servers=servers if record is None else {**servers, name: record})


def read_endpoints(home: Path) -> dict[str, str] | None:
    """The variables that lead to the stack of that folder; None while it is not up."""
    endpoints = StackFile.read(home).endpoints
    return None if endpoints is None else dict(endpoints)


def _texts(endpoints: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if endpoints is None else {str(name): str(value) for name, value in endpoints.items()}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
