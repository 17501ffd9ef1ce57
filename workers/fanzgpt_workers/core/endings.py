"""The one ending of a request, saved before it is published."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from fanzgpt_workers.core.attempts import AttemptEnded

EndState = Literal["completed", "failed", "rejected", "expired", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """An answer that was not called for: the request that had paid for it, and what it had cost, if that is known."""

    cached_from: str
    usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is to be saved: the end state and the events to publish, with the last attempt's settlement if there is one.

    `outbox` is the JSON text of the events, complete to the byte, so that whoever finds the request ended publishes
    the very same events again. It is saved only under the epoch that the request was claimed with. `saving` is there
    where the answer is somebody else's.
    """

    request_key: UUID
    epoch: int
    state: EndState
    outbox: str
    settles: AttemptEnded | None = None
    saving: Saving | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """The ending is durable."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """A newer owner has the request; nothing of the ending was saved, the attempt's settlement was.

    `outbox` is the ending that stands in the ledger instead, None while the newer owner is still at work.
    """

    outbox: str | None


SaveVerdict = Saved | Superseded
