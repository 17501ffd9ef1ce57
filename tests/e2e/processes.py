"""Our processes as a person starts them: by command line, with settings in the environment."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

from fanzgpt_stack.emulator.testing import RunningEmulator

FANZGPT = str(Path(sys.executable).with_name("fanzgpt"))
READY_SECONDS = 40.0
PROCESSES = ("generation", "history-sink", "analytics-sink", "preferences-sink")


def bare_environ() -> dict[str, str]:
    """This process's environment without any setting of ours."""
    kept = ("PATH", "HOME", "LANG", "JAVA_HOME", "XDG_CACHE_HOME", "FANZGPT_CACHE")
    return {name: os.environ[name] for name in kept if name in os.environ}


def settings(endpoints: Mapping[str, str], database_url: str, emulator: RunningEmulator) -> dict[str, str]:
    """What a worker needs, with consumer groups that nobody else has."""
    return {
        **bare_environ(),
        "KAFKA_BOOTSTRAP_SERVERS": endpoints["KAFKA_BOOTSTRAP_SERVERS"],
        "KAFKA_GROUP_PREFIX": f"test-{uuid4().hex[:8]}",
        "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
        "DATABASE_URL": database_url,
        "REDIS_URL": endpoints["REDIS_URL"],
        "AI_CACHE_TTL_SECONDS": "0",  # most tests ask the same thing again to see it called for again
        "OPENAI_BASE_URL": emulator.openai_base_url,
        "OPENAI_API_KEY": "test",
        "UNKNOWN_USERS": "create",
        "METRICS_PORT": "0",
        "FEATURE_CONTENT_GENERATION": "true",
        "FEATURE_CHAT_ASSISTANCE": "true",
        "LOG_FORMAT": "json",
        "RATE_LIMIT_REQUESTS": "100000",
    }


def upload_settings(folder: Path) -> dict[str, str]:
    """What gateway and worker need for images that callers bring along, looked at by nobody but the stand-in."""
    return {
        "OBJECT_STORE_URL": folder.as_uri(),
        "MEDIA_SIGNING_KEY": "a-key-that-signs-links-to-media",
        "FEATURE_IMAGE_ANALYSIS": "true",
        "AI_IMAGE_PROVIDER": "stand-in",
    }


@contextmanager
def starting(
    name: str, environ: Mapping[str, str], log: Path, *, command: Sequence[str] = (FANZGPT,)
) -> Iterator["subprocess.Popen[bytes]"]:
    """One process, which may still be far from ready; killed with the block if it still runs then."""
    with log.open("ab") as output:
        process = subprocess.Popen([*command, "worker", name], env=environ, stdout=output, stderr=output)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


@contextmanager
def worker(
    name: str, environ: Mapping[str, str], folder: Path, *, command: Sequence[str] = (FANZGPT,)
) -> Iterator["subprocess.Popen[bytes]"]:
    """One process that is ready; its log is `NAME.log` in the folder. Killed with the block if it still runs then."""
    ready, log = folder / f"{name}-{uuid4().hex[:6]}.json", folder / f"{name}.log"
    with starting(name, {**environ, "READY_FILE": str(ready)}, log, command=command) as process:
        wait_ready(process, ready, log)
        yield process


def wait_ready(process: "subprocess.Popen[bytes]", ready: Path, log: Path) -> None:
    """Return once the process takes work; fails with its log."""
    until = monotonic() + READY_SECONDS
    while not ready.exists():
        assert process.poll() is None, log.read_text()
        assert monotonic() < until, log.read_text()
        sleep(0.02)
