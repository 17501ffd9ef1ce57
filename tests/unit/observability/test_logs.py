"""Logs: one JSON object per line, nobody's texts, no secrets."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanzgpt_workers.observability.logs import open_logs
from fanzgpt_workers.observability.readiness import announce_ready
from fanzgpt_workers.settings import Settings, load_settings

ENVIRON = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "DATABASE_URL": "postgresql://fanz:p%40ssw0rd-of-db@db:5432/fanz",
    "OPENAI_API_KEY": "sk-of-openai",
}


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def settings(**more: str) -> Settings:
    return load_settings({**ENVIRON, **more})


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_in_a_pipe_is_a_json_object() -> None:
    stream = io.StringIO()
    open_logs(settings(), process="generation", stream=stream).info("rebalanced", assigned=3)
    (line,) = lines(stream)
    assert line.pop("time")
    assert line == {
        "event": "rebalanced",
        "level": "info",
        "process": "generation",
        "pid": os.getpid(),
        "assigned": 3,
    }


def test_libraries_log_the_same_way() -> None:
    stream = io.StringIO()
    open_logs(settings(), process="generation", stream=stream)
    logging.getLogger("aiokafka").warning("coordinator %s is away", 1)
    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["process"]) == ("coordinator 1 is away", "aiokafka", "generation")


def test_libraries_that_would_log_bodies_are_kept_quiet() -> None:
    stream = io.StringIO()
    open_logs(settings(LOG_LEVEL="debug"), process="generation", stream=stream)
    logging.getLogger("openai").debug("request body: ...")
    assert not stream.getvalue()


def test_the_level_is_a_setting() -> None:
    stream = io.StringIO()
    log = open_logs(settings(LOG_LEVEL="warning"), process="generation", stream=stream)
    log.info("no")
    log.warning("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_secrets_are_masked_whoever_says_them(log_format: str) -> None:
    stream = io.StringIO()
    log = open_logs(settings(LOG_FORMAT=log_format), process="generation", stream=stream)
    log.error("refused", detail="key sk-of-openai is wrong", api_key="anything")
    logging.getLogger("asyncpg").error(
        "postgresql://fanz:%s@db failed, that is %s", "p%40ssw0rd-of-db", "p@ssw0rd-of-db"
    )
    try:
        int("sk-of-openai")
    except ValueError:
        log.exception("broken")
    assert "sk-of-openai" not in stream.getvalue()
    assert "ssw0rd-of-db" not in stream.getvalue()
    assert "anything" not in stream.getvalue()


def test_what_people_wrote_is_not_logged() -> None:
    stream = io.StringIO()
    log = open_logs(settings(), process="generation", stream=stream)
    log.info("called", prompt="dear diary", output={"post": "hello"}, model="gpt-4o-mini")
    (line,) = lines(stream)
    assert line["prompt"] == "[10 characters]"
    assert "hello" not in stream.getvalue()
    assert line["model"] == "gpt-4o-mini"


def test_readiness_is_an_event_and_a_file(tmp_path: Path) -> None:
    stream, file = io.StringIO(), tmp_path / "ready"
    log = open_logs(settings(), process="generation", stream=stream)
    announce_ready(log, metrics_port=9401, ready_file=str(file))
    (line,) = lines(stream)
    assert (line["event"], line["metrics_port"], line["pid"]) == ("ready", 9401, os.getpid())
    assert json.loads(file.read_text()) == {"pid": os.getpid(), "metricsPort": 9401}
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]
