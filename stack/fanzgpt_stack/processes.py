"""Processes that outlive the command that started them, and are recognised later.

A process is known by its pid and by when it started, in seconds after the machine's own start: neither a recycled pid
nor a clock that was set makes a stranger look like ours. Each also carries a marker in its environment, by which one
is found whose record was lost.
"""

import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

MARKER: Final = "FANZGPT_STACK_SERVER"

# What a server may know of our environment: not the keys that a person may have exported.
_INHERITED: Final = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH")
_LOG_LIMIT_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process of this machine, once and for all. `started` is in seconds after the machine's start."""

    pid: int
    started: float

    def find(self) -> psutil.Process | None:
        """The process, if it still runs; None if it ended, or if its pid now belongs to another."""
        try:
            process = psutil.Process(self.pid)
            same = abs(_started(process) - self.started) < 0.05 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None


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

    Returns the ones that had to be killed. None of them, nor any child of theirs, runs afterwards.
    """
    children = [child for process in processes for child in _children(process)]
    for process, asking in processes.items():
        _signal(process, asking)
    _, stubborn = psutil.wait_procs(list(processes), timeout=grace)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    # A server's own children end with it; those of one that was killed may need telling.
    _, orphans = psutil.wait_procs(children, timeout=2.0)
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
            if marker.startswith(prefix) and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = (marker, process, process.ppid())
        except (psutil.Error, OSError):
            # Another user's, or gone meanwhile: not one that we could have started.
            continue
    for marker, process, parent in found.values():
        if parent not in found:
            yield marker, process


def identify(process: psutil.Process) -> Identity:
    """The identity of a running process. Raises psutil.NoSuchProcess if it has ended."""
    return Identity(pid=process.pid, started=_started(process))


def _started(process: psutil.Process) -> float:
    return round(process.create_time() - psutil.boot_time(), 2)


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
