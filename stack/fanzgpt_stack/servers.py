"""The embedded stack as a whole: bring it up, repair it, say how it is, take it down.

`up` is the only repair there is: whatever stands is left alone; whatever is missing, dead, half-written or started with
other settings is made or started again. One command at a time works on a stack; the others wait for it.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

import psutil

from fanzgpt_stack import folders, loopback, processes
from fanzgpt_stack.errors import NotUp, StartFailed
from fanzgpt_stack.layout import MODEL, Layout, Tell, stop_signal
from fanzgpt_stack.media_folder import FOLDER, media_folder
from fanzgpt_stack.processes import Identity
from fanzgpt_stack.server import Server
from fanzgpt_stack.stack_file import NAME, ServerRecord, StackFile
from fanzgpt_stack.supervision import Records, Supervision, log_of, marker

GRACE_SECONDS: Final = 15.0
"""How long a server may take to end before it is killed."""

# What holds when the embedded servers are used: a newcomer's users need not exist, and the text features are on.
_DEFAULTS: Final = {
    "UNKNOWN_USERS": "create",
    "FEATURE_CONTENT_GENERATION": "true",
    "FEATURE_CHAT_ASSISTANCE": "true",
}
# The local model is blind and mute: images are described and texts spoken without one, and the answers say so.
_STAND_INS: Final = {
    "FEATURE_IMAGE_ANALYSIS": "true",
    "FEATURE_VOICE_PROCESSING": "true",
    "AI_IMAGE_PROVIDER": "stand-in",
    "AI_SPEECH_PROVIDER": "stand-in",
    "FANZ_GPT_URL": "http://127.0.0.1:3100",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """How a server is. `state` is `ready`, `starting` (or too busy to answer) or `down`."""

    name: str
    title: str
    state: str
    address: str
    pid: int | None
    resident_bytes: int | None


class StackServers:
    """The servers whose state is in `home`.

    Every method may be called from any process at any time; those that change something wait for each other.
    """

    def __init__(
        self,
        home: Path,
        *,
        brokers: int | None = None,
        with_model: bool = True,
        tell: Tell = lambda _server, _what: None,
        environ: Mapping[str, str] | None = None,
        random: Random | None = None,
    ) -> None:
        """`brokers`: 1 or 3, None for what `home` already has, else 1. `with_model`: whether `up` starts the model.

        `tell` hears about progress, from several threads; `random` chooses ports.
        """
        # One spelling for one folder: it is in the marker of every process.
        self.home = home.resolve()
        self._brokers = brokers
        self._with_model = with_model
        self._tell = tell
        self._environ = os.environ if environ is None else environ
        self._random = random or Random()  # noqa: S311  # ports need not be secret

    def up(self) -> Mapping[str, str]:
        """Make every server run and answer; returns the endpoints.

        Raises StartFailed for the first server that does not come up, MissingPart for what is not installed,
        ConfigurationError where `home` has another number of brokers. Whatever did start stays, and is recorded: the
        next `up` or `down` knows it.
        """
        with folders.held(self._lock):
            try:
                return self._up()
            except StartFailed as failure:
                if not failure.ended:
                    raise
                # Somebody may have taken its port between our look and its start, or what a killed server left may
                # not have been gone yet. Whatever else it was shows again.
                self._tell(failure.server, "ended at once, trying again")
                return self._up()

    def _up(self) -> Mapping[str, str]:
        file = self._with_the_living(StackFile.read(self.home))
        layout = self._layout(with_model=self._with_model or MODEL in file.servers)
        in_use = {port for name in file.servers for port in layout.port_names.get(name, ())}
        names = [port for ports in layout.port_names.values() for port in ports]
        ports = loopback.choose_ports(names, known=file.ports, in_use=in_use, random=self._random)
        servers = layout.servers(ports)
        file = self._with_the_current(replace(file, ports={**file.ports, **ports}), servers)
        if any(server.name not in file.servers for server in servers):
            # Not up while a server is away; left as it is for those that read it during a needless `up`.
            file = replace(file, endpoints=None)
        records = Records(self.home, file)
        Supervision(home=self.home, records=records, tell=self._tell).start_all(servers)
        endpoints = {**_DEFAULTS, **_STAND_INS, **media_folder(self.home)}
        for server in servers:
            endpoints |= server.endpoints()
        replace(records.file, endpoints=endpoints).write(self.home)
        return endpoints

    def down(self, *, wipe: bool = False) -> tuple[str, ...]:
        """End every server of this home, also one that no record knows; `wipe` removes their data as well.

        Returns the names of those that ran. None of their processes is left afterwards.
        """
        if not self.home.is_dir():
            return ()
        with folders.held(self._lock):
            file = StackFile.read(self.home)
            # No longer up before the first server goes, whatever happens to this process meanwhile.
            file = replace(file, endpoints=None)
            if file != StackFile():
                file.write(self.home)
            stopped = self._stop(self._running(file), self._servers(file))
            if wipe:
                self._wipe()
            elif file != StackFile():
                replace(file, servers={}).write(self.home)
        if wipe:
            self._lock.unlink(missing_ok=True)
            if not any(self.home.iterdir()):
                self.home.rmdir()
        return stopped

    def status(self) -> tuple[ServerStatus, ...]:
        """How every server of the stack is, asked one by one; empty where no stack was ever started.

        A model that the stack is up without is not part of it.
        """
        file = StackFile.read(self.home)
        without_model = file.endpoints is not None and MODEL not in file.servers
        return tuple(
            _status(server, file.servers.get(server.name))
            for server in self._servers(file)
            if not (without_model and server.name == MODEL)
        )

    def endpoints(self) -> Mapping[str, str]:
        """The variables that lead to the stack. Raises NotUp while it is not up."""
        endpoints = StackFile.read(self.home).endpoints
        if endpoints is None:
            raise NotUp(f"no stack is up in {self.home}: start it with `fanzgpt stack up`")
        return endpoints

    def log(self, server: str) -> Path:
        """Where that server's output is; the file may not exist."""
        return log_of(self.home, server)

    @property
    def _lock(self) -> Path:
        return self.home / ".lock"

    def _layout(self, *, with_model: bool) -> Layout:
        return Layout.of(
            self.home, brokers=self._brokers, with_model=with_model, environ=self._environ, tell=self._tell
        )

    def _servers(self, file: StackFile) -> tuple[Server, ...]:
        """The servers that the file has ports for."""
        layout = Layout(
            home=self.home,
            brokers=sum(f"kafka-{node}" in file.ports for node in (1, 2, 3)),
            with_model=MODEL in file.ports,
            environ=self._environ,
            tell=self._tell,
        )
        return layout.servers(file.ports) if {"postgres", "valkey"} <= file.ports.keys() else ()

    def _with_the_living(self, file: StackFile) -> StackFile:
        """The file without the records of servers that have ended, after ending those that have no record."""
        alive = {name: record for name, record in file.servers.items() if _process(record) is not None}
        recorded = {record.pid for record in alive.values()}
        self._stop({name: process for name, process in self._marked().items() if process.pid not in recorded}, ())
        return replace(file, servers=alive)

    def _with_the_current(self, file: StackFile, servers: Iterable[Server]) -> StackFile:
        """The file without the servers that run with settings of before, after ending them."""
        wanted = {server.name: server.configuration for server in servers}
        outdated = {
            name: process
            for name, record in file.servers.items()
            if wanted.get(name) != record.configuration and (process := _process(record)) is not None
        }
        self._stop(outdated, ())
        return replace(file, servers={name: kept for name, kept in file.servers.items() if name not in outdated})

    def _running(self, file: StackFile) -> dict[str, psutil.Process]:
        """Every running process of this home: those that are recorded, and those that carry its marker."""
        recorded = {name: _process(record) for name, record in file.servers.items()}
        return {**self._marked(), **{name: process for name, process in recorded.items() if process is not None}}

    def _marked(self) -> dict[str, psutil.Process]:
        prefix = marker(self.home, "")
        return {found.removeprefix(prefix): process for found, process in processes.marked(prefix)}

    def _stop(self, running: Mapping[str, psutil.Process], servers: Iterable[Server]) -> tuple[str, ...]:
        for name in running:
            self._tell(name, "stopping")
        asked = {process: stop_signal(name) for name, process in running.items()}
        killed = processes.stop(asked, grace=GRACE_SECONDS)
        for name, process in running.items():
            self._tell(name, "killed, for it did not end by itself" if process in killed else "stopped")
        for server in servers:
            if server.name in running and running[server.name] not in killed:
                server.tidy()
        return tuple(running)

    def _wipe(self) -> None:
        for name in ("kafka-1", "kafka-2", "kafka-3", "postgres", "valkey", "logs", FOLDER):
            folders.remove(self.home / name)
        (self.home / NAME).unlink(missing_ok=True)


def _process(record: ServerRecord) -> psutil.Process | None:
    return Identity(pid=record.pid, started=record.started).find()


def _status(server: Server, record: ServerRecord | None) -> ServerStatus:
    process = None if record is None else _process(record)
    address = f"{loopback.HOST}:{server.port}"
    if process is None:
        return ServerStatus(
            name=server.name, title=server.title, state="down", address=address, pid=None, resident_bytes=None
        )
    try:
        resident = process.memory_info().rss
    except psutil.NoSuchProcess:
        resident = None
    return ServerStatus(
        name=server.name,
        title=server.title,
        state="ready" if server.is_ready() else "starting",
        address=address,
        pid=process.pid,
        resident_bytes=resident,
    )
