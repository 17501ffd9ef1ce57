"""Folders that are either wholly made or not there: of a server's data, and of what is fetched once."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fanzgpt_stack.errors import StackError

MADE: Final = ".made"
"""Written last into a data folder. A folder without it is half-written."""


def made(folder: Path) -> str | None:
    """What was noted when the folder was finished; None for one that is missing or half-written."""
    try:
        return (folder / MADE).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def make_once(folder: Path, make: Callable[[Path], None], *, note: str) -> None:
    """Have `make` fill the folder, unless it is already made; what a broken attempt left is removed first."""
    if made(folder) is not None:
        return
    remove(folder)
    folder.mkdir(parents=True)
    make(folder)
    marker = folder / MADE
    with marker.open("w", encoding="utf-8") as file:
        file.write(f"{note}\n")
        file.flush()
        os.fsync(file.fileno())


def remove(folder: Path) -> None:
    """Remove a folder with all it holds; it may be missing."""
    # The marker goes first: a removal that is cut short must not leave what looks whole.
    (folder / MADE).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold a file's lock for the block; waits for whoever holds it. The kernel frees it with its process.

    Raises StackError if the file cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a", encoding="utf-8")
    except OSError as error:
        raise StackError(
            f"{lock.parent} cannot be written ({error.strerror}): make it yours, or choose another folder with --home, "
            "FANZGPT_HOME or FANZGPT_CACHE"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cache(environ: Mapping[str, str]) -> Path:
    """Where what is fetched once is kept for all stacks of this user: FANZGPT_CACHE, else in the XDG cache folder."""
    if chosen := environ.get("FANZGPT_CACHE"):
        return Path(chosen)
    shared = environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "fanzgpt"
