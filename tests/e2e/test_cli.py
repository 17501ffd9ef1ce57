"""The command as a person starts it: a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

FANZGPT = str(Path(sys.executable).with_name("fanzgpt"))


def without_settings() -> dict[str, str]:
    """This process's environment without any setting of ours."""
    ours = ("KAFKA_", "DATABASE_URL", "REDIS_URL", "OPENAI_", "ANTHROPIC_", "FANZGPT_", "FEATURE_", "AI_", "METRICS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment without settings and without an embedded stack."""
    return {**without_settings(), "FANZGPT_HOME": str(tmp_path)}


def fanzgpt(*arguments: str, environ: dict[str, str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FANZGPT, *arguments], env=environ, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_is_quick(environ: dict[str, str]) -> None:
    def once() -> float:
        began = time.perf_counter()
        assert fanzgpt("--help", environ=environ).returncode == 0
        return time.perf_counter() - began

    # 0.15 s on an idle machine; the best of a few, since others use this one.
    assert min(once() for _ in range(5)) <= 0.3


def test_help_imports_nothing_heavy(environ: dict[str, str]) -> None:
    program = (
        "import sys; from fanzgpt_workers.cli import run; run(['--help']);"
        "heavy = {'pydantic', 'aiokafka', 'aiohttp', 'asyncpg', 'rich', 'asyncio', 'sqlalchemy', 'openai', 'anthropic',"
        " 'fanzgpt_stack', 'fanzgpt_schemas', 'logging'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip() == "[]"


def test_help_lists_the_commands_of_the_contract(environ: dict[str, str]) -> None:
    told = fanzgpt("--help", environ=environ).stdout
    listed = [line.split()[0] for line in told.partition("Commands:")[2].splitlines() if line.startswith("  ")]
    assert {"stack", "db", "topics", "worker", "request", "tail", "trace", "lag", "ledger", "emulator", "doctor"} <= {
        *listed
    }


@pytest.mark.parametrize(
    "arguments",
    [("worker", "generation"), ("lag",), ("topics", "plan"), ("db", "status"), ("tail", "completed"), ("trace", "r-1")],
)
def test_without_servers_every_command_says_what_to_do(environ: dict[str, str], arguments: Sequence[str]) -> None:
    done = fanzgpt(*arguments, environ=environ)
    assert done.returncode == 2
    assert "start the embedded servers with `fanzgpt stack up`, or set" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_worker_names_every_wrong_setting_at_once(environ: dict[str, str]) -> None:
    wrong = {"GENERATION_MAX_IN_FLIGHT": "none", "SINK_BATCH_ROWS": "0", "OPENAI_BASE_URL": "localhost"}
    done = fanzgpt("worker", "generation", environ={**environ, **wrong})
    assert done.returncode == 2
    for variable in (*wrong, "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        assert f"\n  {variable}" in done.stderr


def test_a_broker_that_is_away_is_named_and_exits_with_3(environ: dict[str, str]) -> None:
    done = fanzgpt("topics", "plan", environ={**environ, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "fanzgpt: Kafka at 127.0.0.1:1 does not answer: is it running there?\n"


def test_the_embedded_stacks_file_is_all_a_command_needs(
    environ: dict[str, str], tmp_path: Path, kafka_bootstrap: str
) -> None:
    document = {"version": 1, "endpoints": {"KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap}}
    (tmp_path / "stack.json").write_text(json.dumps(document), encoding="utf-8")
    assert fanzgpt("topics", "apply", environ=environ).returncode == 0
    assert fanzgpt("topics", "plan", environ=environ).returncode == 0


def test_the_doctor_gives_each_trouble_its_mending(environ: dict[str, str], kafka_bootstrap: str) -> None:
    troubled = {
        **environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "DATABASE_URL": "postgresql://fanz:hidden@127.0.0.1:1/fanz",
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        "FEATURE_CHAT_ASSISTANCE": "yes",
        "GENERATION_MAX_INFLIGHT": "5",
    }
    done = fanzgpt("doctor", "-o", "json", environ=troubled)
    assert done.returncode == 1
    assert "hidden" not in done.stdout
    found = {one["subject"]: one for one in json.loads(done.stdout)}
    assert found["Kafka"]["verdict"] == "ok"
    assert found["PostgreSQL"]["verdict"] == "wrong"
    assert found["openai"]["remedy"] == "start what should answer there, or correct OPENAI_BASE_URL"
    assert found["FEATURE_CHAT_ASSISTANCE"]["remedy"] == "FEATURE_CHAT_ASSISTANCE=true switches it on"
    assert found["GENERATION_MAX_INFLIGHT"]["remedy"] == "was GENERATION_MAX_IN_FLIGHT meant?"


@pytest.fixture(scope="module")
def topics(kafka_bootstrap: str) -> str:
    """The broker, with the topics of topics.yaml."""
    environ = {**without_settings(), "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap}
    assert fanzgpt("topics", "apply", environ=environ).returncode == 0
    return kafka_bootstrap


@pytest.fixture
def on_kafka(environ: dict[str, str], topics: str) -> dict[str, str]:
    return {**environ, "KAFKA_BOOTSTRAP_SERVERS": topics}


def test_what_was_requested_is_seen_by_tail_and_trace(on_kafka: dict[str, str]) -> None:
    request_id = f"seen-{uuid.uuid4()}"
    asked = fanzgpt(
        *("request", "conversation-starters", "--user", "u-1", "--id", request_id),
        *("-i", "count:=3", "-i", "context=first date", "--option", "temperature:=0.2"),
        environ=on_kafka,
    )
    assert (asked.stdout, asked.stderr, asked.returncode) == (f"{request_id}\n", "", 0)
    tailed = fanzgpt(
        *("tail", "requested", "--last", "1000", "--no-follow", "--request", request_id, "-o", "json"),
        environ=on_kafka,
    )
    record = json.loads(tailed.stdout)
    assert record["key"] == "u-1"
    assert record["value"]["input"] == {"count": 3, "context": "first date"}
    assert record["headers"]["ce_type"] == "ai.generation.requested.v1"
    traced = fanzgpt("trace", request_id, "--hours", "1", "-o", "json", environ=on_kafka)
    (found,) = json.loads(traced.stdout)
    assert [moment["what"] for moment in found["moments"]] == ["requested"]
    assert found["missing"] == [
        "the ledger does not know this request: not taken up yet, refused as no request, or pruned"
    ]


def test_a_request_that_breaks_the_contract_is_told_field_by_field_and_not_sent(on_kafka: dict[str, str]) -> None:
    done = fanzgpt("request", "social-post", "--user", "u-1", "-i", "topic=gym", environ=on_kafka)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fanzgpt: input.platform: Field required\n"


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(on_kafka: dict[str, str]) -> None:
    done = fanzgpt(
        *("request", "conversation-starters", "--user", "u-1", "--wait", "--timeout", "0.5"), environ=on_kafka
    )
    assert done.returncode == 1
    assert "within 0.5 s; the request goes on" in done.stderr


def test_a_file_is_published_as_a_whole_or_not_at_all(on_kafka: dict[str, str], tmp_path: Path) -> None:
    run = uuid.uuid4().hex
    lines = [
        json.dumps(
            {
                "type": "social-post",
                "userId": f"u-{n % 7}",
                "requestId": f"{run}-{n}",
                "input": {"topic": "t", "platform": "x"},
            }
        )
        for n in range(300)
    ]
    file = tmp_path / "requests.jsonl"
    file.write_text("\n".join([*lines, '{"type":"social-post"}', "not json"]), encoding="utf-8")
    refused = fanzgpt("request", "--file", str(file), environ=on_kafka)
    assert refused.returncode == 2
    assert "line 301: userId: is missing" in refused.stderr
    assert "line 302: (line): is not JSON" in refused.stderr
    seen = ("tail", "batch", "--last", "1000", "--no-follow", "-o", "json")
    assert run not in fanzgpt(*seen, environ=on_kafka).stdout
    sent = fanzgpt("request", "--file", "-", environ=on_kafka, stdin="\n".join(lines))
    assert (sent.stdout, sent.stderr, sent.returncode) == ("300 requests published\n", "", 0)
    assert fanzgpt(*seen, environ=on_kafka).stdout.count(f'"requestId": "{run}-') == 300


def test_ctrl_c_ends_a_tail_quietly(on_kafka: dict[str, str]) -> None:
    process = subprocess.Popen(
        [FANZGPT, "tail", "requested", "--last", "1"],
        env=on_kafka,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with _ended(process):
        assert fanzgpt("request", "conversation-starters", "--user", "u-2", environ=on_kafka).returncode == 0
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
        assert (process.returncode, told) == (130, "")


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Leave no process behind, whatever the test did."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
