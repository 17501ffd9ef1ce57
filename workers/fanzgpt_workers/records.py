"""Records as they are read, and what the engine's loop is told about each: where it may run, and how to run it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from fanzgpt_workers.core.lanes import Slot
from fanzgpt_workers.core.origin import Origin


@dataclass(frozen=True, slots=True)
class Record:
    """One record as Kafka delivered it. `timestamp_ms` is the broker's or the producer's, by topic setting."""

    origin: Origin
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]

    @property
    def size(self) -> int:
        """Bytes of the value, for the bound on waiting memory."""
        return len(self.value or b"")


class Handled(Enum):
    """How a piece of work left the loop."""

    DONE = "done"
    """The record has its ending, durable and published: its offset may be passed."""
    LET_GO = "let-go"
    """A newer owner has the request: nothing may be committed on the strength of this run."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A record made runnable.

    `run` is told the term in which its partition was given to this member. It handles every error of its own; what it
    raises stops the process.
    """

    record: Record
    slot: Slot
    run: Callable[[int], Awaitable[Handled]]


class Intake(Protocol):
    """Makes records runnable."""

    def work(self, record: Record) -> Work:
        """The work that this record asks for; never raises, since a bad record is work too (its dead letter)."""
        ...
