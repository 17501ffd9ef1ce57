"""A provider with its own bill, and the settings of processes that use it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.processes import FANZGPT, bare_environ, settings
from tests.e2e.topics import begin_here

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_stack.servers import StackServers


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[RunningEmulator]:
    """A provider that answers in 50 ms."""
    with running_emulator(tmp_path / "bill.jsonl", latency="50ms") as running:
        yield running


@pytest.fixture(scope="session")
def endpoints(stack: StackServers) -> dict[str, str]:
    """The servers' addresses; the topics of topics.yaml are there."""
    found = stack.endpoints()
    environ = {**bare_environ(), "KAFKA_BOOTSTRAP_SERVERS": found["KAFKA_BOOTSTRAP_SERVERS"]}
    applied = subprocess.run([FANZGPT, "topics", "apply"], env=environ, capture_output=True, text=True, check=False)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    return found


@pytest.fixture
async def environ(endpoints: dict[str, str], migrated_database_url: str, emulator: RunningEmulator) -> dict[str, str]:
    """What a worker needs: groups of their own that begin now, and a database of its own."""
    made = settings(endpoints, migrated_database_url, emulator)
    await begin_here(made["KAFKA_BOOTSTRAP_SERVERS"], made["KAFKA_GROUP_PREFIX"])
    return made


@pytest.fixture
def bare_settings() -> dict[str, str]:
    """What a process needs to start, with servers that are not there: for those who never get to look."""
    return {
        **bare_environ(),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DATABASE_URL": "postgresql://fanz@127.0.0.1:1/fanz",
        "OPENAI_API_KEY": "test",
        "METRICS_PORT": "0",
    }
