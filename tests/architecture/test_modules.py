"""Modules stay small, and are called after what they are about."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
LONGEST: Final = 450
"""Lines of a module, tests included: what a person holds in mind while reading it."""

SAYS_NOTHING: Final = frozenset(
    {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "shared", "stuff", "tools"}
)
WRITTEN: Final = frozenset({".py", ".sql", ".jinja", ".sh"})


def sources() -> list[Path]:
    """Everything of ours that is read as code: what git knows, and what it will know."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (Path(name) for name in listed.stdout.split("\0") if name)
    return sorted(path for path in paths if path.suffix in WRITTEN and (ROOT / path).is_file())


def words(path: Path) -> set[str]:
    """The words that a path is made of."""
    parts = [*path.parts[:-1], path.stem]
    return {word for part in parts for word in part.lower().replace("-", "_").split("_")}


def test_there_are_modules_to_look_at() -> None:
    assert len(sources()) > 200


def test_no_module_is_longer_than_a_person_holds_in_mind() -> None:
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in sources()}
    assert {str(path): lines for path, lines in lengths.items() if lines > LONGEST} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [str(path) for path in sources() if words(path) & SAYS_NOTHING] == []


@pytest.mark.parametrize("name", ["workers/utils.py", "tests/unit/test_helpers.py", "stack/common/ports.py"])
def test_a_name_that_says_nothing_would_be_seen(name: str) -> None:
    assert words(Path(name)) & SAYS_NOTHING
