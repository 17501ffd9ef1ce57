"""Processes that outlive the command that started them, and are recognised later.

A process is known by its pid and by when it started, in seconds after the machine's own start: neither a recycled pid
nor a clock that was set makes a stranger look like ours. Each also carries a marker in its environment, by which one
is found whose record was lost.
"""

import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import psutil

from fanzgpt_stack.errors import StackError

MARKER: Final = "FANZGPT_STACK_SERVER"

# What a server may know of our environment: not the keys that a person may have exported.
_INHERITED: Final = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH")
_LOG_LIMIT_BYTES: Final = 8 * 1024 * 1024
_BURIAL_SECONDS: Final = 5.0
_CLOCK_TICK: Final = 0.02
"""The kernel tells a start time in hundredths of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process of this machine, once and for all. `started` is in seconds after the machine's start."""

    pid: int
    started: float

    def find(self) -> psutil.Process | None:
        """The process, if it still runs; None if it ended, or if its pid now belongs to another."""
        try:
            process = psutil.Process(self.pid)
            if abs(_started(process) - self.started) > _CLOCK_TICK:
                return None
            return None if _is_buried(process) else process
        except psutil.NoSuchProcess:
            return None

    def listens_on(self, port: int) -> bool:
        """Whether it is this process, and no stranger, that takes connections on the port."""
        process = self.find()
        if process is None:
            return False
        try:
            connections = process.net_connections(kind="tcp")
        except psutil.Error:
            return False
        return any(one.laddr.port == port for one in connections if one.status == psutil.CONN_LISTEN)


def spawn(argv: Sequence[str], *, marker: str, log: Path, environ: Mapping[str, str] | None = None) -> Identity:
    """Start a program in a session of its own, with its output appended to `log`.

    It sees `environ` and the little of our own environment that programs need, and no terminal. Raises OSError if the
    program cannot be started at all.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".old.log"))
    seen = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    pid = os.posix_spawn(
        argv[0],
        list(argv),
        {**seen, **(environ or {}), MARKER: marker},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
    )
    return Identity(pid=pid, started=_started(psutil.Process(pid)))


def stop(processes: Mapping[psutil.Process, signal.Signals], *, grace: float) -> list[psutil.Process]:
    """Ask every process to end by its signal, and kill those still there after `grace` seconds.

    Returns the ones that had to be killed. None of them, nor any child of theirs, runs afterwards. Raises StackError
    for a process that we may not stop.
    """
    children = [child for process in processes for child in _children(process)]
    for process, asking in processes.items():
        _signal(process, asking)
    _, stubborn = psutil.wait_procs(list(processes), timeout=grace)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    # A server's own children end with it; those of one that was killed may need telling.
    _, orphans = psutil.wait_procs(children, timeout=1.0)
    for orphan in orphans:
        _signal(orphan, signal.SIGKILL)
    psutil.wait_procs([*stubborn, *orphans], timeout=5.0)
    return stubborn


def marked(prefix: str) -> Iterator[tuple[str, psutil.Process]]:
    """Every running process whose marker starts with `prefix`, with its marker; children of such ones left out."""
    found: dict[int, tuple[str, psutil.Process, int]] = {}
    for process in psutil.process_iter():
        try:
            marker = process.environ().get(MARKER, "")
            if marker.startswith(prefix) and not _is_buried(process):
                found[process.pid] = (marker, process, process.ppid())
        except (psutil.Error, OSError):
            # Another user's, or gone meanwhile: not one that we could have started.
            continue
    for marker, process, parent in found.values():
        if parent not in found:
            yield marker, process


def _started(process: psutil.Process) -> float:
    return round(process.create_time() - psutil.boot_time(), 2)


def _is_buried(process: psutil.Process) -> bool:
    """Whether it has ended and only its entry is left; where that entry waits for us, it is taken away."""
    if process.status() != psutil.STATUS_ZOMBIE:
        return False
    # The first thread of many may be dead while others still hold its ports.
    until = monotonic() + _BURIAL_SECONDS
    while process.num_threads() > 1 and monotonic() < until:
        sleep(0.01)
    with suppress(psutil.TimeoutExpired):
        process.wait(timeout=0)
    return True


def _children(process: psutil.Process) -> Iterable[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return ()


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as denied:
        raise StackError(
            f"process {process.pid} belongs to {process.username()}: only they, or root, can stop this stack"
        ) from denied
