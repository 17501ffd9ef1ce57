"""Processes that stand still: they answer nothing and close nothing."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

STANDS_WITHIN = 5.0


@contextmanager
def halted(pid: int) -> Iterator[None]:
    """The process stands still for the block, all of its threads: a signal alone reaches them one after another."""
    os.kill(pid, signal.SIGSTOP)
    try:
        until = monotonic() + STANDS_WITHIN
        while not _stands(pid):
            assert monotonic() < until, f"{pid} goes on"
            sleep(0.001)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _stands(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(thread.read_text().rpartition(") ")[2].startswith("T") for thread in threads)
