"""Taking a request into ownership: what is asked of the ledger and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from fanzgpt_workers.core.attempts import PastAttempt
from fanzgpt_workers.core.origin import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's wish to own one request.

    `fingerprint` is a digest of what is asked (type, input, options, conversation), so that the same id with other
    content is told apart from the same request again. `owner` names one run of one worker process. `term` is the
    consumer group's generation in which the owner was given the record's partition: it grows with every rebalance, so
    that of two claims for the same record the one with the higher term is its partition's rightful holder.
    """

    request_key: UUID
    request_id: str
    user_id: str
    user_key: UUID
    generation_type: str
    fingerprint: bytes
    origin: Origin
    owner: UUID
    term: int
    deadline: datetime | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """The request is this worker's. Writes under an earlier epoch are refused from now on.

    `past` holds the attempts of earlier owners; those whose outcome was never learnt are marked `unknown`.
    """

    epoch: int
    past: Sequence[PastAttempt] = field(default=())


@dataclass(frozen=True, slots=True)
class AlreadyEnded:
    """The request has its ending; `outbox` is what was, or still has to be, published for it."""

    outbox: str


@dataclass(frozen=True, slots=True)
class Conflicting:
    """The id was used before with other content."""


@dataclass(frozen=True, slots=True)
class OwnedElsewhere:
    """The owner is at work: at another place of the log, or at this one in a later term. Ask again later, or leave.

    `idle_seconds` is how long ago the ledger last heard of that owner's work on it.
    """

    idle_seconds: float


Verdict = Granted | AlreadyEnded | Conflicting | OwnedElsewhere
