"""The five wheels as they would be released, built once."""

import subprocess
import sys
from email.parser import Parser
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from zipfile import ZipFile

from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[2]
DISTRIBUTIONS: Final = ("schemas", "producers", "workers", "gateway", "stack")


@cache
def wheel(distribution: str) -> bytes:
    """The wheel of one distribution."""
    with TemporaryDirectory(prefix="wheel-") as folder:
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
        subprocess.run(build, cwd=ROOT / distribution, check=True, capture_output=True, timeout=120)
        (path,) = Path(folder).glob("*.whl")
        return path.read_bytes()


def unpacked(distribution: str, folder: Path) -> Path:
    """The wheel's files, in a folder."""
    path = folder / f"{distribution}.whl"
    path.write_bytes(wheel(distribution))
    with ZipFile(path) as archive:
        archive.extractall(folder)
    path.unlink()
    return folder


def requirements(distribution: str, folder: Path) -> list[Requirement]:
    """What the wheel asks an installer for, without extras."""
    (metadata,) = unpacked(distribution, folder).glob(f"fanzgpt_{distribution}-*.dist-info/METADATA")
    asked = Parser().parsestr(metadata.read_text()).get_all("Requires-Dist") or []
    return [Requirement(text) for text in asked]
