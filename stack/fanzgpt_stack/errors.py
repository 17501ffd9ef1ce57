"""What can go wrong with the embedded servers; every text says what to do."""

from pathlib import Path
from typing import Final

from fanzgpt_workers.errors import FanzError, Unavailable

LOG_TAIL_LINES: Final = 12


class StackError(FanzError):
    """The stack, or one of its servers, cannot do what was asked."""


class NotUp(StackError, Unavailable):
    """There is no stack that is up; the text says how to start it."""


class MissingPart(StackError):
    """Something that a server is made of is not on this machine; the text says how to get it."""


class StartFailed(StackError):
    """A server ended, or stayed silent, before it answered its first request."""

    def __init__(self, *, server: str, reason: str, log: Path, remedy: str, ended: bool) -> None:
        """`reason` completes "SERVER did not start: ..."; the last lines of `log` follow. `ended`: it runs no more."""
        self.server = server
        self.ended = ended
        super().__init__(
            f"{server} did not start: {reason}\n{last_lines(log)}\n  whole log: {log}\n  what to do: {remedy}"
        )


def last_lines(log: Path, count: int = LOG_TAIL_LINES) -> str:
    """The end of a log, indented; a sentence where there is none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return "\n".join(f"  | {line}" for line in lines[-count:]) or "  | (it wrote no log)"
