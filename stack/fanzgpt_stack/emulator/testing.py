"""An emulator for tests: a real process, and a handle on it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

STARTS_WITHIN = 30.0
STOPS_WITHIN = 10.0

Json = dict[str, Any]


class EmulatorFailed(Exception):
    """The emulator did not start, or did not do what it was asked; the text holds its own words."""


class RunningEmulator:
    """A running emulator."""

    def __init__(self, *, process: "subprocess.Popen[bytes]", port: int, bill_path: Path) -> None:
        self.process = process
        self.port = port
        self.bill_path = bill_path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_base_url(self) -> str:
        """For OPENAI_BASE_URL."""
        return f"{self.url}/v1"

    @property
    def anthropic_base_url(self) -> str:
        """For ANTHROPIC_BASE_URL."""
        return self.url

    def bill(self) -> list[Json]:
        """Every line of the bill, read from the file: it can be read when the emulator is gone, too."""
        return [json.loads(line) for line in self.bill_path.read_bytes().splitlines()]

    def totals(self) -> Json:
        """What the bill comes to: `calls`, `billed`, tokens, cost and `outcomes`."""
        return self._json("GET", "/emulator/bill")

    def script(self, rules: Sequence[Mapping[str, object]]) -> None:
        """Add rules after those in force; raises EmulatorFailed with what is wrong with them."""
        self._request("POST", "/emulator/script", json.dumps(rules).encode())

    def unscript(self) -> None:
        """Forget the script alone: every call is answered again."""
        self._request("DELETE", "/emulator/script")

    def fired(self) -> list[Json]:
        """The rules in force, each with how many calls it `matched` and how often it `fired`."""
        rules: list[Json] = json.loads(self._request("GET", "/emulator/script"))
        return rules

    def stats(self) -> Json:
        """`calls`, `finished`, `abandoned`, `in_flight`, `max_in_flight`, `seconds`, `cpu_seconds`."""
        return self._json("GET", "/emulator/stats")

    def batches(self, **told: float) -> Json:
        """Say what is to become of batches: `seconds`, `lose_creations`, `expire_items`; answers with what holds."""
        document: Json = json.loads(self._request("POST", "/emulator/batches", json.dumps(told).encode()))
        return document

    def clear(self) -> None:
        """Forget the script, the counts, what the limits have seen, and the bill."""
        for name in ("script", "stats", "bill"):
            self._request("DELETE", f"/emulator/{name}")

    def stop(self) -> int:
        """End it with SIGTERM; returns its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()
            raise EmulatorFailed(f"the emulator did not end within {STOPS_WITHIN:g} s of SIGTERM") from None

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _json(self, method: str, path: str) -> Json:
        document: Json = json.loads(self._request(method, path))
        return document

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=STARTS_WITHIN)
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise EmulatorFailed(f"{method} {path}: {content.decode(errors='replace')}")
        return content


@contextmanager
def running_emulator(bill_path: Path, *, port: int = 0, **options: str | float | Path) -> Iterator[RunningEmulator]:
    """Start an emulator, and end it with the block.

    Args:
        bill_path: Where its bill is kept; appended to if it exists.
        port: 0 for a free one.
        options: As on the command line, with underscores: `latency="200ms"`, `rpm=60`, `script=path`.
    """
    with TemporaryDirectory(prefix="emulator-") as folder:
        ready_file, log = Path(folder, "ready.json"), Path(folder, "log")
        command = [sys.executable, "-m", "fanzgpt_stack.emulator", "--port", str(port), "--bill", str(bill_path)]
        command += ["--ready-file", str(ready_file)]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603  # our own module
        try:
            ready = _ready(process, ready_file, log)
            emulator = RunningEmulator(process=process, port=ready["port"], bill_path=bill_path)
            yield emulator
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(STOPS_WITHIN)
                finally:
                    process.kill()
                    process.wait()


def _ready(process: "subprocess.Popen[bytes]", ready_file: Path, log: Path) -> Json:
    deadline = time.monotonic() + STARTS_WITHIN
    while not ready_file.exists():
        if process.poll() is not None:
            raise EmulatorFailed(f"the emulator ended with {process.returncode}: {log.read_text().strip()}")
        if time.monotonic() > deadline:
            raise EmulatorFailed(f"the emulator was not ready within {STARTS_WITHIN:g} s: {log.read_text().strip()}")
        time.sleep(0.01)
    document: Json = json.loads(ready_file.read_bytes())
    return document
