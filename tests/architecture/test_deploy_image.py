"""deploy/Dockerfile builds what there is, from what the lock file holds, for a user that is not root."""

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from typing import Any

import pytest
from tests.architecture.deployed import ROOT, command_line

from fanzgpt_workers.settings import variables

DISTRIBUTIONS = ("schemas", "producers", "workers", "gateway", "stack")
IGNORE = (ROOT / ".dockerignore").read_text().splitlines()
PYTHONS_OWN = {"PATH", "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage: what it starts from, its name, and its instructions in order."""

    base: str
    name: str
    instructions: list[tuple[str, str]]


def read() -> tuple[dict[str, str], dict[str, Stage]]:
    """The arguments with their values, and the stages by name."""
    lines = [
        line for line in (ROOT / "deploy/Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")
    ]
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    stage = None
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()  # type: ignore[union-attr]  # must match
            stage = stages[name] = Stage(base=base, name=name, instructions=[])
        elif word == "ARG":
            name, value = rest.split("=", 1)
            arguments[name] = value
        elif word:
            assert stage is not None, line
            stage.instructions.append((word, " ".join(rest.split())))
    return arguments, stages


ARGUMENTS, STAGES = read()


def lineage(name: str) -> list[tuple[str, str]]:
    """Every instruction of a stage, those that it starts from first."""
    stage = STAGES[name]
    return [*(lineage(stage.base) if stage.base in STAGES else []), *stage.instructions]


def copied() -> list[str]:
    """What is taken out of the checkout."""
    copies = (rest.split() for stage in STAGES.values() for word, rest in stage.instructions if word == "COPY")
    return [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]


def project(distribution: str) -> dict[str, Any]:
    return dict(tomllib.loads((ROOT / distribution / "pyproject.toml").read_text())["project"])


def names(dependencies: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", one, maxsplit=1)[0].replace("-", "_") for one in dependencies}


def test_everything_copied_is_there() -> None:
    assert copied()
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_the_build_is_given_what_it_copies_and_nothing_else() -> None:
    assert "*" in IGNORE
    assert not [line for line in IGNORE if line.startswith("/")]
    given = [line.removeprefix("!") for line in IGNORE if line.startswith("!")]
    sources = copied()
    assert [source for source in sources if not any(f"{source}/".startswith(f"{one}/") for one in given)] == []
    assert [one for one in given if not any(f"{source}/".startswith(f"{one}/") for source in sources)] == []


def test_what_is_taken_from_another_stage_is_taken_from_one_that_there_is() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text()
    assert set(re.findall(r"(?:--from=|from=)([\w-]+)", text)) <= STAGES.keys()


def test_the_base_is_a_slim_python_of_one_exact_release_that_every_distribution_takes() -> None:
    pinned = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)-slim-[a-z]+", ARGUMENTS["PYTHON"])
    assert pinned
    assert {stage.base for stage in STAGES.values() if stage.base not in STAGES} == {"python:${PYTHON}"}
    for distribution in DISTRIBUTIONS:
        oldest = re.fullmatch(r">=(\d+)\.(\d+)", project(distribution)["requires-python"])
        assert oldest
        assert (int(pinned[1]), int(pinned[2])) >= (int(oldest[1]), int(oldest[2]))


def test_the_base_is_the_python_that_the_lock_was_made_for() -> None:
    (locked,) = re.findall(r"--python-version (\S+)", (ROOT / "Makefile").read_text())
    assert ARGUMENTS["PYTHON"].startswith(f"{locked}.")


@pytest.mark.parametrize("target", ["fanzgpt", "emulator"])
def test_the_image_runs_the_command_as_somebody_who_is_not_root(target: str) -> None:
    told = lineage(target)
    user = [rest for word, rest in told if word == "USER"][-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    number, group = user.split(":")
    assert f"useradd --uid {number} --gid {group} " in " ".join(rest for _, rest in told)
    assert [rest for word, rest in told if word == "ENTRYPOINT"] == ['["fanzgpt"]']
    assert [rest for word, rest in told if word == "STOPSIGNAL"] == ["SIGTERM"]
    assert project("workers")["scripts"] == {"fanzgpt": "fanzgpt_workers.cli:main"}


def test_the_last_stage_is_the_system_without_the_emulator() -> None:
    assert list(STAGES)[-1] == "fanzgpt"
    assert STAGES["fanzgpt"].base == "system"
    assert "/wheels/stack" not in " ".join(rest for _, rest in lineage("fanzgpt"))


def test_the_emulator_image_runs_the_emulator() -> None:
    (command,) = (rest for word, rest in STAGES["emulator"].instructions if word == "CMD")
    assert command_line(re.findall(r'"([^"]+)"', command))["host"] == "0.0.0.0"  # noqa: S104  # inside a container


def test_every_distribution_is_built() -> None:
    (build,) = (rest for word, rest in STAGES["wheels"].instructions if word == "RUN")
    assert re.search(r"for distribution in ([\w ]+);", build)[1].split() == list(DISTRIBUTIONS)  # type: ignore[index]
    assert "--require-hashes --build-constraints requirements/lock.txt" in build


def test_nothing_is_installed_but_by_its_hash_or_from_our_own_wheels() -> None:
    runs = " && ".join(rest for stage in STAGES.values() for word, rest in stage.instructions if word == "RUN")
    installs = [step for step in re.split(r"&& |; ", runs) if re.search(r"\bpip install\b", step)]
    assert len(installs) == 4
    for step in installs:
        own = re.findall(r"(/wheels/\S+)", step.split("pip install")[1])
        assert ("--require-hashes" in step) or (own and "--offline" in step and "--no-deps" in step), step
    (others,) = (step for step in installs if "--constraints" in step)
    assert "--constraints requirements/lock.txt" in others


def test_no_secret_goes_into_the_image() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text()
    assert not re.search(r"KEY|PASSWORD|SECRET|TOKEN", text)
    assert "**/.env*" in IGNORE


@pytest.mark.parametrize("target", ["fanzgpt", "emulator"])
def test_every_variable_of_the_image_is_a_setting_or_pythons_own(target: str) -> None:
    told = " ".join(rest for word, rest in STAGES["system"].instructions if word == "ENV")
    assert {word.split("=")[0] for word in told.split()} <= variables().keys() | PYTHONS_OWN
    assert "METRICS_HOST=0.0.0.0" in told.split()


def test_the_emulator_needs_nothing_that_the_workers_image_does_not_have() -> None:
    absent = names(project("stack")["dependencies"]) - names(project("workers")["dependencies"]) - {"fanzgpt_workers"}
    assert "psutil" in absent
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({sorted(absent)!r}))\n"
        "import fanzgpt_stack.emulator.cli, fanzgpt_stack.emulator.server\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
