"""One stack of its own, hurt in every way that a laptop hurts it; `up` mends it each time."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from fanzgpt_stack.errors import NotUp, StartFailed
from fanzgpt_stack.processes import Identity, marked
from fanzgpt_stack.servers import StackServers
from fanzgpt_stack.stack_file import NAME, ServerRecord, StackFile

NAMES = ["kafka-1", "postgres", "valkey"]
FANZGPT = str(Path(sys.executable).with_name("fanzgpt"))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServers]:
    """A stack of this module's own."""
    servers = StackServers(tmp_path_factory.mktemp("hurt"), with_model=False)
    yield servers
    servers.down(wipe=True)
    assert pids(servers) == {}


@pytest.fixture(autouse=True)
def endpoints(servers: StackServers) -> Mapping[str, str]:
    """Every test finds the stack up."""
    return servers.up()


def pids(servers: StackServers) -> dict[str, int]:
    """The processes of a stack as the machine tells them."""
    return {marker.partition("#")[2]: process.pid for marker, process in marked(f"{servers.home}#")}


def kill(servers: StackServers, name: str) -> None:
    process = psutil.Process(pids(servers)[name])
    process.kill()
    process.wait(5)


def port_of(endpoints: Mapping[str, str], name: str) -> int:
    match name:
        case "kafka-1":
            return int(endpoints["KAFKA_BOOTSTRAP_SERVERS"].rpartition(":")[2])
        case "postgres":
            return urlsplit(endpoints["DATABASE_URL"]).port or 0
        case _:
            return urlsplit(endpoints["REDIS_URL"]).port or 0


def works(endpoints: Mapping[str, str]) -> None:
    """Every server does what it is for. (That Kafka answers is what `up` itself has asked.)"""
    with psycopg.connect(endpoints["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) >= 0 FROM users").fetchone() == (True,)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    with redis.Redis.from_url(endpoints["REDIS_URL"]) as client:
        assert client.set("works", "yes")


def test_up_again_changes_nothing(servers: StackServers, endpoints: Mapping[str, str]) -> None:
    before = pids(servers)
    assert sorted(before) == NAMES
    assert servers.up() == endpoints
    assert pids(servers) == before
    works(endpoints)


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_server_is_started_again_alone(servers: StackServers, endpoints: Mapping[str, str], name: str) -> None:
    before = pids(servers)
    kill(servers, name)
    assert {server.name: server.state for server in servers.status()}[name] == "down"

    assert servers.up() == endpoints
    after = pids(servers)
    assert {other for other in NAMES if after[other] != before[other]} == {name}
    works(endpoints)


@pytest.mark.parametrize("name", NAMES)
def test_a_port_that_a_stranger_took_is_left_to_them(
    servers: StackServers, endpoints: Mapping[str, str], name: str
) -> None:
    kill(servers, name)
    with socket.create_server(("127.0.0.1", port_of(endpoints, name))):
        changed = servers.up()
        assert port_of(changed, name) != port_of(endpoints, name)
        works(changed)
    assert servers.endpoints() == changed


def test_committed_rows_outlive_a_kill(servers: StackServers, endpoints: Mapping[str, str]) -> None:
    with psycopg.connect(endpoints["DATABASE_URL"]) as connection:
        connection.execute("INSERT INTO users (id) VALUES (gen_random_uuid())")
        (count,) = connection.execute("SELECT count(*) FROM users").fetchone() or (0,)
    kill(servers, "postgres")
    with psycopg.connect(servers.up()["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (count,)


@pytest.mark.parametrize("name", NAMES)
def test_a_half_written_data_folder_is_made_anew(servers: StackServers, name: str) -> None:
    kill(servers, name)
    folder = servers.home / name
    (folder / ".made").unlink()
    (folder / "half-a-file").touch()

    works(servers.up())
    assert not (folder / "half-a-file").exists()


def test_a_pid_that_now_belongs_to_another_is_left_alone(servers: StackServers) -> None:
    servers.down()
    stranger = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        record = ServerRecord(pid=stranger.pid, started=1.0, port=1, configuration="")
        file = StackFile.read(servers.home)
        replace(file, servers=dict.fromkeys(NAMES, record)).write(servers.home)

        works(servers.up())
        servers.down()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("text", [None, "", "{"], ids=["missing", "empty", "cut"])
def test_servers_whose_record_was_lost_are_not_doubled(servers: StackServers, text: str | None) -> None:
    before = pids(servers)
    if text is None:
        (servers.home / NAME).unlink()
    else:
        (servers.home / NAME).write_text(text)

    works(servers.up())
    after = [marker for marker, _ in marked(f"{servers.home}#")]
    assert sorted(after) == [f"{servers.home}#{name}" for name in NAMES]
    assert not set(before.values()) & set(pids(servers).values())


def test_two_ups_at_once_start_one_stack(servers: StackServers) -> None:
    servers.down()
    both = [StackServers(servers.home, with_model=False) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(StackServers.up, both)
    assert first == second
    assert sorted(marker.partition("#")[2] for marker, _ in marked(f"{servers.home}#")) == NAMES


def test_down_leaves_no_process_and_keeps_the_data(servers: StackServers, endpoints: Mapping[str, str]) -> None:
    with psycopg.connect(endpoints["DATABASE_URL"]) as connection:  # a client that does not leave must not matter
        connection.execute("INSERT INTO users (id) VALUES (gen_random_uuid())")
        connection.commit()
        family = [
            process
            for pid in pids(servers).values()
            for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
        ]
        assert sorted(servers.down()) == NAMES
    assert not [process for process in family if process.is_running()]
    with pytest.raises(NotUp, match="fanzgpt stack up"):
        servers.endpoints()
    assert servers.down() == ()

    again = servers.up()
    assert again == endpoints
    with psycopg.connect(again["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM users").fetchone() == (True,)


def test_a_server_that_cannot_start_is_named_with_its_log_and_what_to_do(servers: StackServers) -> None:
    kill(servers, "postgres")
    settings = servers.home / "postgres" / "data" / "postgresql.conf"
    whole = settings.read_text()
    settings.write_text(f"{whole}\nnonsense = here\n")
    try:
        with pytest.raises(StartFailed, match=r"postgres did not start") as failure:
            servers.up()
    finally:
        settings.write_text(whole)
    assert 'unrecognized configuration parameter "nonsense"' in str(failure.value)
    assert "what to do:" in str(failure.value)
    assert str(servers.log("postgres")) in str(failure.value)
    with pytest.raises(NotUp):
        servers.endpoints()
    works(servers.up())


def test_the_address_of_every_server_is_its_own(servers: StackServers) -> None:
    for record in StackFile.read(servers.home).servers.values():
        assert Identity(pid=record.pid, started=record.started).listens_on(record.port)


def fanzgpt(servers: StackServers, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "FANZGPT_HOME": str(servers.home)}
    return subprocess.run(
        [FANZGPT, "stack", *words], capture_output=True, text=True, timeout=60, env=environ, check=False
    )


def test_the_command_line_says_what_is_up_and_what_to_export(
    servers: StackServers, endpoints: Mapping[str, str]
) -> None:
    assert json.loads(fanzgpt(servers, "env", "-o", "json").stdout) == endpoints
    exported = fanzgpt(servers, "env").stdout.splitlines()
    assert f"export KAFKA_BOOTSTRAP_SERVERS={endpoints['KAFKA_BOOTSTRAP_SERVERS']}" in exported

    shown = fanzgpt(servers, "status", "-o", "json")
    assert shown.returncode == 0
    assert {row["name"]: row["state"] for row in json.loads(shown.stdout)} == dict.fromkeys(NAMES, "ready")
    assert "database system is ready to accept connections" in fanzgpt(servers, "logs", "postgres").stdout


def test_the_command_line_tells_by_exit_code_that_something_is_away(servers: StackServers) -> None:
    kill(servers, "valkey")
    assert fanzgpt(servers, "status").returncode == 3
    servers.down()
    unable = fanzgpt(servers, "env")
    assert (unable.returncode, unable.stdout) == (3, "")
    assert "start it with `fanzgpt stack up`" in unable.stderr
    other_size = fanzgpt(servers, "up", "--brokers", "3")
    assert other_size.returncode == 2
    assert "holds a Kafka cluster of 1, not of 3" in other_size.stderr
