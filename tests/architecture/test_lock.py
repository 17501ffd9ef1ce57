"""What is installed is what was locked: every distribution by its hash, from wherever the reader's own tools look."""

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
LOCKS: Final = ("lock.txt", "uv.txt")
OURS: Final = ("schemas", "producers", "workers", "gateway", "stack")
_HASH: Final = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(name: str) -> list[str]:
    """The logical lines of a lock file, without comments."""
    text = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    lines = (line.partition(" #")[0].strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def locked(name: str) -> set[str]:
    """The distributions that a lock file pins."""
    return {canonicalize_name(Requirement(entry.split(" --hash", 1)[0]).name) for entry in entries(name)}


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_is_one_version_with_its_hashes(name: str) -> None:
    assert entries(name)
    for entry in entries(name):
        requirement = Requirement(entry.split(" --hash", 1)[0])
        assert [each.operator for each in requirement.specifier] == ["=="], entry[:80]
        assert _HASH.search(entry), entry[:80]
        assert _HASH.sub("", entry).strip() == entry.split(" --hash", 1)[0].strip(), entry[:80]


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_says_where_to_look(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host| @ ", text)


@pytest.mark.parametrize("distribution", OURS)
def test_whatever_a_distribution_asks_for_is_locked(distribution: str) -> None:
    project = tomllib.loads((ROOT / distribution / "pyproject.toml").read_text())["project"]
    asked = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    assert {name for name in asked if not name.startswith("fanzgpt-")} <= locked("lock.txt")


def test_our_own_distributions_are_not_locked() -> None:
    assert not {name for name in locked("lock.txt") if name.startswith("fanzgpt")}
