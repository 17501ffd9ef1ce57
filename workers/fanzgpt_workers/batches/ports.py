"""What the half-price lane needs of a provider, and of the database."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import ProviderError
from fanzgpt_workers.ports import Completion, ProviderCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Whether a batch is there: its id at the provider, or None; not `sure` where that can only be told later."""

    found: str | None
    sure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """What became of one call of a batch: an answer, or the error that it would have raised by itself."""

    attempt_id: UUID
    ended: Completion | ProviderError


class BatchApi(Protocol):
    """A provider's batches. Every method raises a ProviderError for what came instead of an answer.

    A call is named after its attempt, a batch after a key of ours where the provider keeps such a thing.
    """

    @property
    def name(self) -> str:
        """As it stands in settings, attempts and metrics."""
        ...

    async def create(self, key: UUID, calls: Sequence[ProviderCall]) -> str:
        """Hand the calls over, once; returns the provider's id of the batch.

        Whatever is raised with `maybe_billed` leaves it open whether there is a batch: `find` tells.
        """
        ...

    async def find(
        self, key: UUID, attempt_ids: Collection[UUID], *, since: datetime, others: Collection[str]
    ) -> Search:
        """Look for the batch of these calls, created at or after `since`; `others` are ids that are known not to be it.

        It is not sure where the provider tells the calls of a batch only once it has ended.
        """
        ...

    async def has_ended(self, batch_id: str) -> bool:
        """Whether everything of it that will ever be done is done."""
        ...

    def results(self, batch_id: str) -> AsyncIterator[CallEnded]:
        """What became of the calls of a batch that has ended, in any order; one that is left out was not made."""
        ...

    async def cancel(self, batch_id: str) -> None:
        """Ask for no more of it to be done; it ends soon after with what was done. Repeating is harmless."""
        ...

    async def aclose(self) -> None:
        """Close the connections; idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A request that waits: the event to the byte, and what a worker needs to go on with it."""

    request_key: UUID
    epoch: int
    term: int
    target: Target
    request: str
    origin: Origin
    stated_at_ms: int
    traceparent: str | None
    deadline: datetime | None
    tries: int = 0
    attempt_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch that this worker may work on until its lease is over. Without `batch_id` nobody knows whether it exists.

    `is_new`: it was formed by this very worker just now, so nobody can have asked for it.
    """

    key: UUID
    target: Target
    batch_id: str | None
    created_at: datetime
    first_deadline: datetime | None
    called_off: bool
    is_new: bool = False


class Rejoining(NamedTuple):
    """A request that has come again, and its new owner's marks."""

    request_key: UUID
    epoch: int
    term: int


class BatchStore(Protocol):
    """Who waits, and in which batch. Each method is one transaction; what it returns is durable.

    Raises Unavailable for what may pass; every method may then be called again.
    """

    async def hold(self, held: Sequence[Held]) -> Sequence[None]:
        """Let requests wait; one that waits already keeps its place, and has its epoch and term renewed."""
        ...

    async def rejoined(self, rejoining: Sequence[Rejoining]) -> Sequence[bool]:
        """Whether these requests wait; the epoch and term of those that do are renewed."""
        ...

    async def form(
        self, *, providers: Sequence[str], age: timedelta, most_calls: int, most_bytes: int, lease: float
    ) -> Batch | None:
        """Make a batch of those that wait for one provider and model, if there is reason to; None where there is not.

        Nobody else gets any of them.
        """
        ...

    async def take(self, *, providers: Sequence[str], lease: float) -> Batch | None:
        """A batch that it is time to look at, for so many seconds; None where there is none."""
        ...

    async def calls(self, batch_key: UUID) -> Sequence[Held]:
        """Those of a batch whose ending is still to come."""
        ...

    async def others(self, batch: Batch) -> Sequence[str]:
        """The provider's ids of every other batch since this one was formed."""
        ...

    async def created(self, batch_key: UUID, batch_id: str, *, look_in: float) -> None:
        """Note the provider's id."""
        ...

    async def called_off(self, batch_key: UUID) -> None:
        """Note that the provider was asked to do no more."""
        ...

    async def postpone(self, batch_key: UUID, *, look_in: float) -> None:
        """Let nobody look at the batch for so many seconds."""
        ...

    async def over(self, batch_key: UUID) -> None:
        """Note that none of its calls waits any more."""
        ...

    async def gather_again(self, request_keys: Sequence[UUID]) -> None:
        """Let calls wait for another batch."""
        ...

    async def give_back(self, request_keys: Sequence[UUID], *, lease: float) -> None:
        """Put calls back on the normal lane, where this worker makes them within so many seconds."""
        ...

    async def returned(
        self, *, urgent_within: timedelta, gathered_for: Sequence[str], limit: int, lease: float
    ) -> Sequence[Held]:
        """Take for so many seconds calls to make by themselves.

        Those whose deadline is near, those that nobody makes, and those that wait for a provider nobody gathers for.
        """
        ...

    async def holds_any(self) -> bool:
        """Whether any request waits."""
        ...

    async def wished(self, request_keys: Sequence[UUID]) -> Sequence[Held]:
        """Those of these requests that wait, and are not being called for by themselves."""
        ...

    async def overdue(self, *, limit: int) -> Sequence[Held]:
        """Those in a batch whose deadline has passed, the first of them."""
        ...

    async def ended(self, request_keys: Sequence[UUID]) -> None:
        """Note requests that have their ending; they stay until their batch tells what they cost."""
        ...

    async def drop(self, request_keys: Sequence[UUID]) -> None:
        """Forget requests that have their ending."""
        ...
