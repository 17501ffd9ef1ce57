"""How a process starts where something is wrong: settings are named all at once, servers are waited for."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit, urlunsplit

import pytest
from tests.e2e.forwarder import forwarder
from tests.e2e.processes import FANZGPT, starting, wait_ready

# One of each kind: the three sinks start alike.
KINDS = ("generation", "history-sink", "monitor")
WITH_DATABASE = ("generation", "history-sink")
# As somebody in a hurry writes them; each line of the answer, as they read it.
WRONG = {
    "KAFKA_BOOTSTRAP_SERVERS": (
        "kafka",
        '="kafka": has not the shape of this setting, for example localhost:9092',
    ),
    "KAFKA_GROUP_PREFIX": ("fanz gpt", '="fanz gpt": has not the shape of this setting; default fanzgpt'),
    "KAFKA_SESSION_TIMEOUT_SECONDS": ("1h", '="1h": should be a number at least 6 and at most 300; default 30.0'),
    "DATABASE_URL": (
        "mysql://fanz:hunter2@db/fanz",
        '="mysql://fanz:***@db/fanz": should look like postgresql://user:password@host:5432/database',
    ),
    "REDIS_URL": ("localhost", '="localhost": should look like redis://host:6379/0'),
    "METRICS_PORT": ("http", '="http": should be a whole number at least 0 and at most 65535'),
    "LOG_FORMAT": ("xml", '="xml": should be auto, json or text; default auto'),
    "SINK_BATCH_ROWS": ("0", '="0": should be at least 1 and at most 10000; default 500'),
    "UNKNOWN_USERS": ("ignore", '="ignore": should be dead-letter or create; default dead-letter'),
    "GENERATION_MAX_IN_FLIGHT": ("many", '="many": should be a whole number at least 1 and at most 20000; default 512'),
}


def fail_to_start(name: str, environ: Mapping[str, str], home: Path) -> str:
    """What the process says before it ends with exit code 2."""
    environ = {**environ, "FANZGPT_HOME": str(home)}
    done = subprocess.run(
        [FANZGPT, "worker", name], env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("name", KINDS)
def test_every_wrong_setting_is_named_at_once_with_what_would_be_right(
    name: str, bare_settings: dict[str, str], tmp_path: Path
) -> None:
    told = fail_to_start(name, {**bare_settings, **{each: given for each, (given, _) in WRONG.items()}}, tmp_path)
    head, *lines = told.splitlines()
    assert head == f"fanzgpt: {len(WRONG)} settings are wrong:"
    assert sorted(lines) == sorted(f"  {variable}{line}" for variable, (_, line) in WRONG.items())
    assert "hunter2" not in told


@pytest.mark.parametrize("name", KINDS)
def test_every_missing_server_is_named_with_both_ways_to_one(
    name: str, bare_settings: dict[str, str], tmp_path: Path
) -> None:
    needed = ["KAFKA_BOOTSTRAP_SERVERS"] if name == "monitor" else ["KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"]
    without = {each: value for each, value in bare_settings.items() if each not in needed}
    told = fail_to_start(name, without, tmp_path)
    for variable in needed:
        remedy = f"start the embedded servers with `fanzgpt stack up`, or set {variable}"
        assert f"  {variable} is not set: {remedy}\n" in told


@pytest.mark.parametrize(("provider", "other"), [("openai", "anthropic"), ("anthropic", "openai")])
def test_a_missing_key_of_the_chosen_provider_is_named(
    provider: str, other: str, bare_settings: dict[str, str], tmp_path: Path
) -> None:
    chosen = {
        **bare_settings,
        "AI_DEFAULT_PROVIDER": provider,
        "OPENAI_API_KEY": "",
        "OPENAI_BASE_URL": "",
        f"{other.upper()}_API_KEY": "the other's",
    }
    told = fail_to_start("generation", chosen, tmp_path)
    assert told.startswith(
        f"fanzgpt: 1 setting is wrong:\n  {provider.upper()}_API_KEY is not set: the provider {provider} needs its key"
    )


async def test_a_database_without_our_schema_is_named_with_the_command_that_makes_it(
    endpoints: dict[str, str], bare_settings: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    servers = {"KAFKA_BOOTSTRAP_SERVERS": endpoints["KAFKA_BOOTSTRAP_SERVERS"], "DATABASE_URL": database_url}
    for name in WITH_DATABASE:
        told = await asyncio.to_thread(fail_to_start, name, {**bare_settings, **servers}, tmp_path)
        assert told.endswith("; run `fanzgpt db migrate`\n")
        assert f"PostgreSQL at {urlsplit(database_url).hostname}" in told


@pytest.mark.parametrize("name", KINDS)
async def test_kafka_is_named_and_waited_for(name: str, environ: dict[str, str], tmp_path: Path) -> None:
    async with forwarder(environ["KAFKA_BOOTSTRAP_SERVERS"]) as kafka:
        await _waits_for(
            name, {**environ, "KAFKA_BOOTSTRAP_SERVERS": kafka.address}, kafka.address, kafka.open, tmp_path
        )


@pytest.mark.parametrize("name", WITH_DATABASE)
async def test_postgresql_is_named_and_waited_for(name: str, environ: dict[str, str], tmp_path: Path) -> None:
    parts = urlsplit(environ["DATABASE_URL"])
    async with forwarder(f"{parts.hostname}:{parts.port}") as postgres:
        login, _, _ = parts.netloc.rpartition("@")
        url = urlunsplit(parts._replace(netloc=f"{login}@{postgres.address}"))
        await _waits_for(name, {**environ, "DATABASE_URL": url}, postgres.address, postgres.open, tmp_path)


async def test_a_process_that_waits_for_a_server_can_be_told_to_end(environ: dict[str, str], tmp_path: Path) -> None:
    async with forwarder(environ["KAFKA_BOOTSTRAP_SERVERS"]) as kafka:
        away = {**environ, "KAFKA_BOOTSTRAP_SERVERS": kafka.address}
        log = tmp_path / "generation.log"
        with starting("generation", away, log) as process:
            await _said(log, kafka.address, process)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 5) == 0


async def _waits_for(
    name: str, environ: Mapping[str, str], address: str, let_in: Callable[[], Awaitable[None]], folder: Path
) -> None:
    ready, log = folder / "ready.json", folder / "log"
    with starting(name, {**environ, "READY_FILE": str(ready)}, log) as process:
        await _said(log, address, process)
        assert not ready.exists()
        await let_in()
        await asyncio.to_thread(wait_ready, process, ready, log)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 15) == 0
    assert "Traceback" not in log.read_text()


async def _said(log: Path, address: str, process: "subprocess.Popen[bytes]") -> None:
    """Return once the log has told twice that it waits for the address."""
    end = monotonic() + 20
    while _times_told(log, address) < 2:
        assert process.poll() is None
        assert monotonic() < end
        await asyncio.sleep(0.05)


def _times_told(log: Path, address: str) -> int:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return sum(line.get("event") == "waiting for a server" and address in line["error"] for line in lines)
