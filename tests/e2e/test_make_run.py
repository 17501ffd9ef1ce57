"""`make run` and `make demo`: everything from one command, and nothing of it afterwards."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import monotonic, sleep

import pytest
from tests.e2e.processes import FANZGPT, bare_environ

from fanzgpt_stack.demo import REQUESTS
from fanzgpt_stack.emulator.testing import running_emulator

MAKEFILE = Path(__file__).parents[2] / "Makefile"
UP_SECONDS = 130.0  # the local model writes on both cores, and may share them
DOWN_SECONDS = 40.0
ROWS = re.compile(r"  ai_generation_history [0-9a-f-]{36}   ai_analytics [0-9a-f-]{36}")


def recipe(target: str) -> list[str]:
    """What make would run for a target, without its environment: `fanzgpt demo --stay`."""
    [line] = re.findall(rf"^{target}:.*\n\t@\$\(BIN\)/fanzgpt (.+)$", MAKEFILE.read_text(), re.MULTILINE)
    return [FANZGPT, *line.split()]


def processes_of(home: Path) -> dict[int, str]:
    """Every process on this machine that was started in, or with, this folder."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            told += str((entry / "cwd").readlink()).encode()
        except OSError:  # gone meanwhile, or not ours to look at
            continue
        if str(home).encode() in told:
            found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which nothing was ever started; both tests use it, one after the other."""
    return tmp_path_factory.mktemp("newcomer")


@contextmanager
def in_terminal(command: list[str], environ: dict[str, str]) -> Iterator[tuple["subprocess.Popen[str]", Queue[str]]]:
    """The command in a process group of its own, as a shell starts it, and the lines that it prints."""
    lines: Queue[str] = Queue()
    process = subprocess.Popen(
        command,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        process_group=0,
    )

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line.rstrip("\n"))

    reader = Thread(target=read, daemon=True)
    reader.start()
    try:
        yield process, lines
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(DOWN_SECONDS)
        reader.join(5)
        if process.stdout is not None:
            process.stdout.close()


def lines_until(last: str, lines: Queue[str], process: "subprocess.Popen[str]") -> list[str]:
    """The lines up to the last one."""
    printed: list[str] = []
    end = monotonic() + UP_SECONDS
    while last not in printed:
        assert monotonic() < end, printed
        try:
            printed.append(lines.get(timeout=0.5))
        except Empty:
            assert process.poll() is None, printed
    return printed


def got(url: str, path: str, *, key: str = "") -> tuple[int, bytes]:
    """Status and body of a path at the address that `url` names."""
    with closing(HTTPConnection(url.split("/")[2], timeout=10)) as connection:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        response = connection.getresponse()
        return response.status, response.read()


def holds_every_answer_and_its_rows(printed: list[str], model: str, *, seeing: str, speaking: str) -> None:
    of_type = {line.partition("  (")[0]: line for line in printed if "  (" in line and not line.startswith(" ")}
    own = {"image-analysis": seeing, "voice-synthesis": speaking}
    assert sorted(set(of_type) & set(REQUESTS)) == sorted(REQUESTS)
    assert [kind for kind in REQUESTS if f" {own.get(kind, model)})" not in of_type[kind]] == []
    answers = [json.loads(line) for line in printed if line.startswith("  {") and line.endswith("}")]
    assert all(isinstance(answer, dict) for answer in answers)
    assert sum(bool(ROWS.fullmatch(line)) for line in printed) == len(REQUESTS)
    [statistics] = [line for line in printed if line.startswith("users.ai_usage_stats of ")]
    assert json.loads(statistics.partition(": ")[2])["total_generations"] == len(REQUESTS)


def test_make_run_answers_with_the_local_model_and_stays_until_ctrl_c(home: Path) -> None:
    with in_terminal(recipe("run"), {**bare_environ(), "FANZGPT_HOME": str(home)}) as (process, lines):
        printed = lines_until("everything is up; Ctrl-C stops it", lines, process)
        holds_every_answer_and_its_rows(
            printed, "openai/smollm2", seeing="stand-in/image-facts-1", speaking="stand-in/tones-1"
        )
        running = " ".join(processes_of(home).values())
        for name in ("worker generation", "worker history-sink", "worker analytics-sink", "worker preferences-sink"):
            assert name in running
        [door] = [line.removeprefix("the API: ") for line in printed if line.startswith("the API: ")]
        url, _, key = door.partition(", with the key ")
        assert got(url, "/api/v1/requests/none", key=key)[0] == 404
        [spoken] = [json.loads(line)["audioUrl"] for line in printed if '"audioUrl"' in line]
        status, audio = got(spoken, "/" + spoken.split("/", 3)[3])
        assert (status, audio[:4]) == (200, b"RIFF")
        status, health = got(url, "/health")
        assert (status, json.loads(health)["status"]) == (200, "healthy")
        os.killpg(process.pid, signal.SIGINT)
        sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # as the impatient do
        assert process.wait(DOWN_SECONDS) == 0
    assert_nothing_is_left(home)


@pytest.mark.parametrize("moment", ["kafka.Kafka", "worker generation"])
def test_a_terminal_that_is_closed_during_the_start_leaves_nothing(moment: str, home: Path) -> None:
    with in_terminal(recipe("run"), {**bare_environ(), "FANZGPT_HOME": str(home)}) as (process, _):
        end = monotonic() + UP_SECONDS
        while moment not in " ".join(processes_of(home).values()):
            assert process.poll() is None
            assert monotonic() < end
            sleep(0.05)
        os.killpg(process.pid, signal.SIGHUP)
        assert process.wait(DOWN_SECONDS) == 1
    assert_nothing_is_left(home)


def test_make_demo_ends_by_itself_and_asks_the_readers_own_provider(home: Path, tmp_path: Path) -> None:
    with running_emulator(tmp_path / "bill.jsonl") as emulator:
        own = {"OPENAI_BASE_URL": emulator.openai_base_url, "OPENAI_API_KEY": "the reader's own"}
        done = subprocess.run(
            recipe("demo"),
            env={**bare_environ(), "FANZGPT_HOME": str(home), **own},
            capture_output=True,
            text=True,
            timeout=UP_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        holds_every_answer_and_its_rows(
            done.stdout.splitlines(), "openai/gpt-4o-mini", seeing="openai/gpt-4o-mini", speaking="openai/tts-1"
        )
        assert len(emulator.bill()) == len(REQUESTS)
    assert_nothing_is_left(home)


def assert_nothing_is_left(home: Path) -> None:
    end = monotonic() + 5
    while left := processes_of(home):
        assert monotonic() < end, left
        sleep(0.1)
