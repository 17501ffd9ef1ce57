"""What every server of the stack is: a folder, a command line, and a first question to ask."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a program. `argv[0]` is an absolute path."""

    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)


class Server(Protocol):
    """One server. Making one does nothing; its methods may run in a thread of their own."""

    @property
    def name(self) -> str:
        """Its name in the stack, in `stack.json`, and of its log: `kafka-1`."""
        ...

    @property
    def title(self) -> str:
        """What it is, for people: `Apache Kafka 4.3.1`."""
        ...

    @property
    def port(self) -> int:
        """Where clients reach it."""
        ...

    @property
    def configuration(self) -> str:
        """A digest of its settings: one that runs with another is restarted."""
        ...

    def prepare(self) -> Launch:
        """Make what is missing of its data, and say how to start it. Raises MissingPart, or StackError."""
        ...

    def is_ready(self) -> bool:
        """Whether it answers a real request now."""
        ...

    def settle(self) -> None:
        """Make what a newcomer needs inside the running server; safe to repeat."""
        ...

    def tidy(self) -> None:
        """Keep or clear what it left behind when it ended by itself."""
        ...

    def endpoints(self) -> Mapping[str, str]:
        """The variables that lead to it."""
        ...


def digest(*settings: str) -> str:
    """A short digest of settings, for comparison only."""
    return hashlib.sha256("\0".join(settings).encode()).hexdigest()[:16]
