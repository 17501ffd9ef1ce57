import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import psutil
import pytest

from fanzgpt_stack.processes import Identity, marked, spawn, stop

SLEEPS = (sys.executable, "-c", "import signal; print('asleep', flush=True); signal.pause()")
DEAF = (
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()",
)
PARENT = (
    sys.executable,
    "-c",
    """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("parent", flush=True)
signal.pause()
""",
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder whose marked processes are gone afterwards."""
    yield tmp_path
    for _, process in marked(str(tmp_path)):
        family = [process, *process.children(recursive=True)]
        for member in family:
            member.kill()
        psutil.wait_procs(family, timeout=5)


def start(argv: tuple[str, ...], home: Path, *, says: str) -> Identity:
    log = home / "logs" / f"{says}.log"
    identity = spawn(argv, marker=f"{home}#{says}", log=log)
    until = monotonic() + 10
    while says not in log.read_text():
        assert monotonic() < until
        os.sched_yield()
    return identity


def test_a_process_is_found_by_pid_and_start(home: Path) -> None:
    identity = start(SLEEPS, home, says="asleep")
    found = identity.find()
    assert found is not None
    assert found.pid == identity.pid


def test_a_pid_that_now_belongs_to_another_is_not_ours(home: Path) -> None:
    identity = start(SLEEPS, home, says="asleep")
    assert replace(identity, started=identity.started - 1).find() is None


def test_a_process_that_ended_is_gone_even_while_its_entry_waits_for_its_parent(home: Path) -> None:
    identity = start(SLEEPS, home, says="asleep")
    os.kill(identity.pid, signal.SIGKILL)
    until = monotonic() + 5
    while identity.find() is not None:
        assert monotonic() < until
    assert not psutil.pid_exists(identity.pid)


def test_a_process_outlives_our_terminal_and_sees_no_key_of_ours(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
    process = psutil.Process(start(SLEEPS, home, says="asleep").pid)
    assert os.getsid(process.pid) == process.pid
    assert process.terminal() is None
    assert "OPENAI_API_KEY" not in process.environ()


def test_a_process_whose_record_was_lost_is_found_by_its_marker(home: Path) -> None:
    identity = start(SLEEPS, home, says="asleep")
    assert [(marker, process.pid) for marker, process in marked(str(home))] == [(f"{home}#asleep", identity.pid)]


def test_children_carry_the_marker_too_but_are_not_servers(home: Path) -> None:
    identity = start(PARENT, home, says="parent")
    assert [process.pid for _, process in marked(str(home))] == [identity.pid]


def test_stopping_asks_first(home: Path) -> None:
    process = psutil.Process(start(SLEEPS, home, says="asleep").pid)
    assert stop({process: signal.SIGTERM}, grace=5) == []
    assert not process.is_running()


def test_who_does_not_listen_is_killed_after_its_grace(home: Path) -> None:
    process = psutil.Process(start(DEAF, home, says="deaf").pid)
    assert stop({process: signal.SIGTERM}, grace=0.2) == [process]
    assert not process.is_running()


def test_no_child_is_left_either(home: Path) -> None:
    process = psutil.Process(start(PARENT, home, says="parent").pid)
    (child,) = process.children()
    stop({process: signal.SIGKILL}, grace=5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_only_the_listener_itself_listens(home: Path) -> None:
    serves = "import socket, signal; s = socket.create_server(('127.0.0.1', 0)); print('port', s.getsockname()[1], flush=True); signal.pause()"
    server = start((sys.executable, "-c", serves), home, says="port")
    port = int((home / "logs" / "port.log").read_text().split()[1])
    assert server.listens_on(port)
    assert not start(SLEEPS, home, says="asleep").listens_on(port)
