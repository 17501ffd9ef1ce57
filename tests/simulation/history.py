"""What happened in a world, line by line, to read when a promise was broken."""

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from fanzgpt_workers.lifecycle.events import Course
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.records import Record

LONGEST: Final = 100
SHOWN: Final = 400


@dataclass(slots=True)
class History:
    """Lines in the order of their happening; equal seeds write equal histories."""

    lines: list[tuple[float, str, str]] = field(default_factory=list)

    def say(self, who: str, what: str, *more: object) -> None:
        """Note it, at this instant."""
        text = " ".join([what, *(_short(each) for each in more)])
        self.lines.append((asyncio.get_running_loop().time(), who, text))

    def told(self) -> str:
        """Its end, to read."""
        left_out = len(self.lines) - SHOWN
        head = [f"({left_out} lines before)"] if left_out > 0 else []
        return "\n".join([*head, *(f"{at:9.3f}  {who:10}  {what}" for at, who, what in self.lines[-SHOWN:])])

    def digest(self) -> str:
        """The whole of it in a few characters."""
        return sha256(repr(self.lines).encode()).hexdigest()


def _short(told: object) -> str:
    match told:
        case LiveRequest():
            return told.event.request_id
        case Record():
            return str(told.origin)
        case Course():
            return f"after {told.attempts} attempts"
        case _:
            return str(told).split("\n", 1)[0][:LONGEST]
