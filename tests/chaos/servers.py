"""The stack's servers as a nemesis has them: killed, ended, stopped, and brought back."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Final

import psutil
from tests.halting import halted

from fanzgpt_stack.servers import StackServers

ENDS_WITHIN: Final = 40.0
CLEAN: Final = {"postgres": signal.SIGINT}
# Of PostgreSQL the postmaster alone would leave its children behind: this ends them all, without a checkpoint.
HARD: Final = {"postgres": signal.SIGQUIT}


class Servers:
    """Faults of the servers of one stack, by name: `postgres`, `valkey`, `kafka-1`."""

    def __init__(self, stack: StackServers) -> None:
        self.stack = stack

    def brokers(self) -> list[str]:
        """The names of the Kafka nodes."""
        return [server.name for server in self.stack.status() if server.name.startswith("kafka")]

    def end(self, *names: str, hard: bool) -> None:
        """End servers, as a restart does or as a crash does; returns once they are gone."""
        ending = [(name, psutil.Process(self._pid(name))) for name in names]
        for name, process in ending:
            number = HARD.get(name, signal.SIGKILL) if hard else CLEAN.get(name, signal.SIGTERM)
            process.send_signal(number)
        _, left = psutil.wait_procs([process for _, process in ending], timeout=ENDS_WITHIN)
        assert not left, f"{names} did not end"

    def back(self) -> None:
        """Bring every server up that is not."""
        self.stack.up()

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """A server that neither answers nor closes anything, for the block."""
        with halted(self._pid(name)):
            yield

    def _pid(self, name: str) -> int:
        until = monotonic() + ENDS_WITHIN
        while monotonic() < until:
            for server in self.stack.status():
                if server.name == name and server.pid is not None:
                    return server.pid
            sleep(0.05)
        raise AssertionError(f"{name} does not run")
