"""Starting servers side by side, watching each until it answers, and writing every process down at once."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock
from typing import Final

from fanzgpt_stack import processes
from fanzgpt_stack.errors import StartFailed
from fanzgpt_stack.layout import Tell
from fanzgpt_stack.processes import Identity
from fanzgpt_stack.server import Server
from fanzgpt_stack.stack_file import ServerRecord, StackFile

READY_SECONDS: Final = 60.0
"""How long a server may take from its start to its first answer; on a quiet laptop the slowest needs two."""

_POLL_SECONDS: Final = 0.03


class Records:
    """`stack.json` while several threads start servers: each process is in it before anything waits for the process."""

    def __init__(self, home: Path, file: StackFile) -> None:
        """Start from what is known; written at once."""
        self._home = home
        self._file = file
        self._lock = Lock()
        file.write(home)

    @property
    def file(self) -> StackFile:
        """What is written now."""
        return self._file

    def put(self, name: str, record: ServerRecord) -> None:
        """Write a server's record."""
        with self._lock:
            self._file = replace(self._file, servers={**self._file.servers, name: record})
            self._file.write(self._home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """Brings the servers of one home up. `tell` is called from several threads."""

    home: Path
    records: Records
    tell: Tell

    def start_all(self, servers: Sequence[Server]) -> None:
        """Start those that are not recorded as running, and wait until every server answers.

        Raises the error of the first that fails. The others are not waited for any longer, and keep running.
        """
        given_up = Event()
        with ThreadPoolExecutor(max_workers=len(servers), thread_name_prefix="stack") as pool:
            starting = [pool.submit(self._start, server, given_up) for server in servers]
            try:
                wait(starting)
            except BaseException:
                # Ctrl-C: what runs is written down, and no thread waits for it any longer.
                given_up.set()
                raise
        # A thread that only saw the others fail has no error of its own.
        for failure in filter(None, (one.exception() for one in starting)):
            raise failure

    def _start(self, server: Server, given_up: Event) -> None:
        try:
            began = time.monotonic()
            known = self.records.file.servers.get(server.name)
            record = known
            if record is None:
                self.tell(server.name, "starting")
                record = self._spawn(server)
                self.records.put(server.name, record)
            if self._await_answer(server, Identity(pid=record.pid, started=record.started), given_up):
                server.settle()
                self.tell(server.name, "up" if known else f"up after {time.monotonic() - began:.1f} s")
        except BaseException:
            given_up.set()
            raise

    def _spawn(self, server: Server) -> ServerRecord:
        launch = server.prepare()
        identity = processes.spawn(
            launch.argv,
            marker=marker(self.home, server.name),
            log=log_of(self.home, server.name),
            environ=launch.environ,
        )
        return ServerRecord(
            pid=identity.pid, started=identity.started, port=server.port, configuration=server.configuration
        )

    def _await_answer(self, server: Server, identity: Identity, given_up: Event) -> bool:
        """Whether the server answers; False only if another one failed meanwhile."""
        deadline = time.monotonic() + READY_SECONDS
        while not given_up.is_set():
            if server.is_ready() and identity.listens_on(server.port):
                return True
            if identity.find() is None:
                raise StartFailed(
                    server=server.name,
                    reason="it ended by itself",
                    log=log_of(self.home, server.name),
                    remedy="see the log. If its data is beyond repair, `fanzgpt stack down --wipe` removes all data",
                    ended=True,
                )
            if time.monotonic() > deadline:
                raise StartFailed(
                    server=server.name,
                    reason=f"no answer on port {server.port} within {READY_SECONDS:.0f} s",
                    log=log_of(self.home, server.name),
                    remedy="run `fanzgpt stack up` again; it goes on waiting for the same process",
                    ended=False,
                )
            given_up.wait(_POLL_SECONDS)
        return False


def marker(home: Path, name: str) -> str:
    """What the environment of a server's process says; with an empty name, what those of one home begin with."""
    return f"{home}#{name}"


def log_of(home: Path, name: str) -> Path:
    """Where a server's output goes."""
    return home / "logs" / f"{name}.log"
