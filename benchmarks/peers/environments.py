"""An environment for each peer: their dependencies disagree with ours and with each other's."""

import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
HOME: Final = HERE.parent.parent / ".fanzgpt" / "peers"


class NotInstalled(Exception):
    """An environment could not be made; the text is what the installer said."""


def python_of(peer: str, *, home: Path = HOME) -> Path:
    """The interpreter of a peer's environment, which is made at first use and again when its pins have changed.

    Raises NotInstalled.
    """
    wanted = HERE / "requirements" / f"{peer}.txt"
    folder = home / peer
    python, made_of = folder / "bin" / "python", folder / "made-of.txt"
    if made_of.exists() and made_of.read_text() == wanted.read_text():
        return python
    uv = str(Path(sys.executable).with_name("uv"))
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(python), "--requirement", str(wanted)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotInstalled(f"{peer}: {done.stderr.strip()[-500:]}")
    made_of.write_text(wanted.read_text())
    return python
