"""Who keeps answers for all workers, and who of them may call for one: one call for a question at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

LEASE_SECONDS: Final = 6.0
"""For so long nobody else calls for a question whose worker has died."""


class Lease(NamedTuple):
    """Somebody's right to call for a question, by its key. `holder` is one caller of one worker, and never another."""

    key: str
    holder: str


@dataclass(frozen=True, slots=True)
class Found:
    """The answer, as it was kept."""

    text: str


@dataclass(frozen=True, slots=True)
class Yours:
    """Nobody has it and nobody else calls for it: this one does, as long as it holds its lease."""


@dataclass(frozen=True, slots=True)
class Theirs:
    """Somebody else calls for it."""


Look = Found | Yours | Theirs


class Keeper(Protocol):
    """Raises CacheUnavailable where it is away. Leases end by themselves; those of others are never touched."""

    async def look(self, wanted: Sequence[Lease]) -> Sequence[Look]:
        """The answers that are kept; leases for those that nobody has. Looking again keeps a lease."""
        ...

    async def end(self, ended: Sequence[tuple[Lease, str]]) -> None:
        """Keep each answer that is there (one that is not is empty), and give up the leases."""
        ...

    async def hold(self, leases: Sequence[Lease]) -> None:
        """Hold leases for as long again."""
        ...


class MemoryKept:
    """What the twin keeps, shared by the keepers of several workers."""

    def __init__(self, *, time: Callable[[], float]) -> None:
        """`time` in seconds, never falling."""
        self.time = time
        self.answers: dict[str, tuple[str, float]] = {}
        self.leases: dict[str, tuple[str, float]] = {}


class MemoryKeeper:
    """The twin of the one in Redis."""

    def __init__(self, kept: MemoryKept, *, seconds: float) -> None:
        """`seconds` is how long an answer is kept."""
        self._kept = kept
        self._seconds = seconds

    async def look(self, wanted: Sequence[Lease]) -> Sequence[Look]:
        """See `Keeper`."""
        return [self._look(lease) for lease in wanted]

    async def end(self, ended: Sequence[tuple[Lease, str]]) -> None:
        """See `Keeper`."""
        for lease, text in ended:
            if text:
                self._kept.answers[lease.key] = text, self._kept.time() + self._seconds
            if self._is_held(lease):
                del self._kept.leases[lease.key]

    async def hold(self, leases: Sequence[Lease]) -> None:
        """See `Keeper`."""
        for lease in leases:
            if self._is_held(lease):
                self._kept.leases[lease.key] = lease.holder, self._kept.time() + LEASE_SECONDS

    def _look(self, lease: Lease) -> Look:
        now = self._kept.time()
        text, until = self._kept.answers.get(lease.key, ("", 0.0))
        if until > now:
            return Found(text)
        holder, until = self._kept.leases.get(lease.key, ("", 0.0))
        if until > now and holder != lease.holder:
            return Theirs()
        self._kept.leases[lease.key] = lease.holder, now + LEASE_SECONDS
        return Yours()

    def _is_held(self, lease: Lease) -> bool:
        return self._kept.leases.get(lease.key, ("", 0.0))[0] == lease.holder
