"""The command line itself: exit codes, errors in words, commands of other distributions."""

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest
import typer

from fanzgpt_workers import cli
from fanzgpt_workers.errors import BrokerUnavailable, ConfigurationError, Fenced


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of another distribution that mounts the command `greet`."""
    module = ModuleType("somebody_elses")
    module.app = typer.Typer()  # type: ignore[attr-defined]  # made by hand
    monkeypatch.setitem(sys.modules, "somebody_elses", module)
    entry = EntryPoint("greet", "somebody_elses:app", cli.ENTRY_POINT_GROUP)
    monkeypatch.setattr(cli, "entry_points", lambda group: [entry] if group == cli.ENTRY_POINT_GROUP else [])
    return module


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("X=1: should be 2"), 2),
        (BrokerUnavailable("Kafka at a:1 is away"), 3),
        (Fenced("somebody newer is there"), 1),
    ],
)
def test_errors_of_ours_are_a_line_and_an_exit_code(
    mounted: ModuleType, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    @mounted.app.command()
    def greet() -> None:
        raise error

    assert cli.run(["greet"]) == code
    assert capsys.readouterr().err == f"fanzgpt: {error}\n"


def test_a_bug_keeps_its_traceback(mounted: ModuleType) -> None:
    @mounted.app.command()
    def greet() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cli.run(["greet"])


def test_a_mounted_command_gets_its_arguments_and_its_exit_code(mounted: ModuleType) -> None:
    @mounted.app.command()
    def greet(name: str, times: int = 1) -> None:
        raise typer.Exit(len(name) * times)

    assert cli.run(["greet", "ada", "--times", "3"]) == 9


def test_ctrl_c_ends_with_130(mounted: ModuleType) -> None:
    @mounted.app.command()
    def greet() -> None:
        raise KeyboardInterrupt

    assert cli.run(["greet"]) == 130


def test_a_mounted_command_is_listed_without_being_imported(
    mounted: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "somebody_elses")
    assert cli.run(["--help"]) == 0
    assert "greet" in capsys.readouterr().out


def test_an_unknown_command_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["requst"]) == 2
    told = capsys.readouterr().err
    assert "No such command 'requst'" in told
    assert "request" in told


@pytest.mark.parametrize("command", sorted(cli._OWN))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([command, "--help"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Usage: fanzgpt ")
    assert "--install-completion" not in told


def test_topics_are_validated_without_a_broker(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["topics", "validate", "-o", "json"]) == 0
    assert "ai.generation.requested" in json.loads(capsys.readouterr().out)["topics"]


def test_a_wrong_topics_file_is_told_field_by_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "topics.yaml"
    file.write_text("topics: {ai.generation.requested: {partitions: none}}", encoding="utf-8")
    assert cli.run(["topics", "validate", str(file)]) == 2
    assert "ai.generation.requested.partitions" in capsys.readouterr().err
