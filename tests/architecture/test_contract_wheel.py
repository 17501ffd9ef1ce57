"""The wheel of the contract carries all of it, and works where there is no checkout."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from fanzgpt_schemas.release import RELEASED

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT / "schemas", check=True, capture_output=True, timeout=120)
    (path,) = folder.glob("*.whl")
    return path


def test_it_holds_the_registry_and_everything_released(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    released = {f"fanzgpt_schemas/released/{path.relative_to(RELEASED)}" for path in RELEASED.rglob("*.json")}
    assert {"fanzgpt_schemas/topics.yaml", "fanzgpt_schemas/py.typed"} | released <= names
    assert all(name.startswith(("fanzgpt_schemas/", "fanzgpt_schemas-")) for name in names)


def test_the_registry_is_found_without_a_checkout(wheel: Path, tmp_path: Path) -> None:
    ZipFile(wheel).extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import fanzgpt_schemas.topics as topics\n"
        f"assert topics.__file__.startswith({str(tmp_path)!r}), topics.__file__\n"
        "print(len(topics.bundled_topics()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("11", "")
