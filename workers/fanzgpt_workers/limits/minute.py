"""A provider's sliding minute: what is in it, and when there is room again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from fanzgpt_workers.core.headroom import Headroom
from fanzgpt_workers.core.load import Limit, Load

SECONDS: Final = 60
SLOT_MS: Final = 100
SLOTS: Final = SECONDS * 1000 // SLOT_MS + 1
"""As many as stay in the window. One more than the minute has: of two calls that were let through a minute apart, the
second may arrive sooner than the first did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The answer to an ask: how many of the first calls may go, and how many seconds the next one waits at most.

    `slot` is where they stand in the window; `first` is the number of the first of them, each next one has the next;
    `workers` is how many share the limit.
    """

    slot: int
    granted: int
    first: int
    wait: float
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """By how much what a slot holds changes: the truth about a call, or a call that has moved, or was never made.

    `over` is the number of a call that is under way no longer.
    """

    slot: int
    change: Load
    over: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the provider said with the answer to a call that stands in this slot."""

    slot: int
    headroom: Headroom


class Minute(Protocol):
    """One provider's window. Raises CacheUnavailable where its keeper is away."""

    async def reserve(self, calls: Sequence[Load], limit: Limit) -> Grant:
        """Take as many of the calls into the window, in their order, as have room.

        Room is kept for the first that had none, for as long as its worker asks again within three seconds; a worker
        in which nobody waits any more says so by asking for nothing. A call that no minute has room for goes alone.
        """
        ...

    async def correct(self, corrections: Sequence[Correction], told: Told | None = None) -> None:
        """Put the truth in the place of estimates.

        What the provider has `told` last counts for a minute: a limit lower than ours, and what is gone from it beyond
        what these workers took, which somebody else uses who calls with the same key.
        """
        ...

    async def close(self, seconds: float) -> None:
        """Grant nothing for so long: the provider has said so to one of us."""
        ...
