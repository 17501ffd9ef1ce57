"""The whole system by command line: real servers in a folder of their own, the emulator, and worker processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_stack.testing import running_stack

SINKS: Final = ("history-sink", "analytics-sink", "preferences-sink")
START_SECONDS: Final = 60.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def command() -> str:
    """The `fanzgpt` of this environment."""
    return str(Path(sys.executable).with_name("fanzgpt"))


class DidNotStart(Exception):
    """A process ended, or was not ready in time; the text is its log."""


@dataclass(slots=True)
class RunningProcess:
    """One `fanzgpt worker …` or `fanzgpt gateway`, alive."""

    name: str
    popen: "subprocess.Popen[bytes]"
    log: Path
    ready: Path

    def is_ready(self) -> bool:
        """Whether it has said that it takes work."""
        return self.ready.exists()

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def peak_rss_mib(self) -> float:
        """The most memory it has held."""
        for line in Path(f"/proc/{self.popen.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def kill(self) -> None:
        """End it as a crash does."""
        self.popen.kill()
        self.popen.wait()

    def terminate(self, seconds: float = START_SECONDS) -> int:
        """Ask it to drain; its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(seconds)


@dataclass(slots=True)
class System:
    """Servers that are up with schema and topics, an emulator, and the processes started so far."""

    folder: Path
    environ: Mapping[str, str]
    endpoints: Mapping[str, str]
    emulator: RunningEmulator
    program: str = field(default_factory=command)
    processes: list[RunningProcess] = field(default_factory=list)

    def start(self, name: str, **settings: str) -> RunningProcess:
        """A worker process, or the gateway, that is ready; `settings` are variables of its own. Raises DidNotStart."""
        process = self.spawn(name, **settings)
        until = monotonic() + START_SECONDS
        while not process.is_ready():
            if process.popen.poll() is not None or monotonic() > until:
                raise DidNotStart(f"{name}: {process.log.read_text()}")
            sleep(0.02)
        return process

    def spawn(self, name: str, **settings: str) -> RunningProcess:
        """The same, which may be far from ready, or never get there."""
        words = (name,) if name == "gateway" else ("worker", name)
        number = len(self.processes)
        ready, log = self.folder / f"{name}-{number}.ready", self.folder / f"{name}-{number}.log"
        with log.open("ab") as output:
            popen = subprocess.Popen(
                [self.program, *words],
                env={**self.environ, **settings, "READY_FILE": str(ready)},
                stdout=output,
                stderr=output,
            )
        process = RunningProcess(name, popen, log, ready)
        self.processes.append(process)
        return process

    def run(self, *words: str) -> None:
        """One `fanzgpt …` command; raises CalledProcessError with what it said."""
        subprocess.run([command(), *words], env=self.environ, check=True, capture_output=True)


@contextmanager
def running_system(
    folder: Path, settings: Mapping[str, str], *, brokers: int = 1, latency: str = "0ms", topics: Path | None = None
) -> Iterator[System]:
    """Servers, schema, topics and emulator for the block, all under `folder`; every process is ended with it.

    `topics` is a registry to use instead of the release's.
    """
    with ExitStack() as running:
        servers = running.enter_context(running_stack(folder / "stack", brokers=brokers))
        emulator = running.enter_context(running_emulator(folder / "bill.jsonl", latency=latency))
        environ = {**environ_of(servers.endpoints(), emulator), **settings}
        system = System(folder=folder, environ=environ, endpoints=servers.endpoints(), emulator=emulator)
        system.run("db", "migrate")
        system.run("topics", "apply", *([] if topics is None else [str(topics)]))
        try:
            yield system
        finally:
            for process in system.processes:
                if process.popen.poll() is None:
                    process.kill()


def bare_environ() -> dict[str, str]:
    """What any program needs of this process's environment."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def environ_of(endpoints: Mapping[str, str], emulator: RunningEmulator) -> dict[str, str]:
    """What every process of the system is told."""
    return {
        **bare_environ(),
        **endpoints,
        "OPENAI_BASE_URL": emulator.openai_base_url,
        "OPENAI_API_KEY": "emulated",
        "OPENAI_PRICED_AS": "openai",
        "ANTHROPIC_BASE_URL": emulator.anthropic_base_url,
        "ANTHROPIC_API_KEY": "emulated",
        "ANTHROPIC_PRICED_AS": "anthropic",
        "UNKNOWN_USERS": "create",
        "METRICS_PORT": "0",
        "FEATURE_CONTENT_GENERATION": "true",
        "FEATURE_CHAT_ASSISTANCE": "true",
        "LOG_FORMAT": "json",
        "RATE_LIMIT_REQUESTS": "100000",  # what is measured is the system, by few users who ask much
    }
