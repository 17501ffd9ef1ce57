"""Every error of the running system; its class says what the loop does.

FanzError
├── ConfigurationError        stop: a person has to change a setting
├── Unavailable               wait and try again: a server is away; nothing is lost, nothing is dead-lettered
│   ├── DatabaseUnavailable
│   ├── BrokerUnavailable
│   ├── CacheUnavailable
│   └── StoreUnavailable
├── Fenced                    let go: somebody newer owns this partition
├── LetGo                     let go: the work waits for something, and the process is draining
├── RowsRefused               dead-letter the named rows, store the others
├── InputRefused              what the request points at is not taken: tell its sender
├── OutputRefused             the answer is not what was asked for: repair where that can help, else fail
└── ProviderError             see `providers`: outcome, whether to retry, whether it may be billed
"""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from fanzgpt_workers.core.attempts import Outcome, Usage
from fanzgpt_workers.core.headroom import Headroom


class FanzError(Exception):
    """Root of the tree."""


class ConfigurationError(FanzError):
    """A setting is wrong; the text names every wrong one with what would be right."""


class Unavailable(FanzError):
    """A server cannot be reached or cannot answer now; the text names it with its address."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL is away, restarting, out of connections or out of disk."""


class BrokerUnavailable(Unavailable):
    """Kafka is away, or did not acknowledge in time."""


class CacheUnavailable(Unavailable):
    """Redis is away."""


class StoreUnavailable(Unavailable):
    """The object store is away, or refused."""


class Fenced(FanzError):
    """A newer owner has advanced this partition; our write was refused and must not be repeated."""


class LetGo(FanzError):
    """The process drains, and this work has only waited: it is put back, and begins again wherever it comes next."""


class RowsRefused(FanzError):
    """PostgreSQL will never take these rows; nothing of the batch was written. `reasons` is by event id."""

    def __init__(self, reasons: Mapping[UUID, str]) -> None:
        """Name the rows and why."""
        self.reasons = dict(reasons)
        super().__init__("; ".join(f"{event_id}: {reason}" for event_id, reason in self.reasons.items()))


class InputRefused(FanzError):
    """What a request asks for cannot be taken up: an image that may not be fetched, a voice that nobody has.

    `retryable` where the same request may be taken later: whoever holds the image did not answer.
    """

    def __init__(self, detail: str, *, retryable: bool = False) -> None:
        """`detail` is for the request's sender, and names no address that they did not name themselves."""
        super().__init__(detail)
        self.retryable = retryable


class OutputRefused(FanzError):
    """The provider's text is not the output that was asked for; the text says how, for a repair turn to use.

    `repairable` is False where asking again cannot help: the model refused, or the provider's filter stopped it. A
    repair turn would be paid for the same refusal.
    """

    def __init__(self, detail: str, *, repairable: bool = True) -> None:
        """`detail` is for the model and for people, and never quotes the answer."""
        super().__init__(detail)
        self.repairable = repairable


class ProviderError(FanzError):
    """A provider call without an answer.

    `outcome` is what the ledger records; `retryable` whether the same call may succeed later at the same provider;
    `maybe_billed` whether the provider may charge for it; `retry_after` the provider's own wish, in seconds; `headroom`
    what it says is left of its limits; `estimate` what the part of an answer that did arrive will have taken, where
    some did.
    """

    outcome: ClassVar[Outcome] = "server-error"
    retryable: ClassVar[bool] = True
    maybe_billed: ClassVar[bool] = True

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        response_id: str | None = None,
        headroom: Headroom | None = None,
    ) -> None:
        """`detail` is for people: what the provider said, without prompt or answer."""
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.retry_after = retry_after
        self.response_id = response_id
        self.headroom = headroom
        self.estimate: Usage | None = None


class Throttled(ProviderError):
    """429: over the provider's limit."""

    outcome = "throttled"
    maybe_billed = False


class Overloaded(ProviderError):
    """503 or 529: the provider has too much to do; not our limit."""

    outcome = "overloaded"
    maybe_billed = False


class Unreachable(ProviderError):
    """No connection could be made; the provider never saw the call."""

    outcome = "unreachable"
    maybe_billed = False


class TimedOut(ProviderError):
    """No answer within the attempt's time."""

    outcome = "timeout"


class Cut(ProviderError):
    """The connection broke after the call was sent."""

    outcome = "cut"


class ServerError(ProviderError):
    """Another 5xx."""

    outcome = "server-error"


class Malformed(ProviderError):
    """An answer that is not of the provider's own shape, or is too large to read."""

    outcome = "malformed"


class Refused(ProviderError):
    """4xx: this request will never be accepted."""

    outcome = "refused"
    retryable = False
    maybe_billed = False


class Unauthorized(ProviderError):
    """401 or 403: the key is missing, wrong or not allowed; a person has to look."""

    outcome = "unauthorized"
    retryable = False
    maybe_billed = False


class NoSuchModel(ProviderError):
    """404: the model name is wrong."""

    outcome = "no-such-model"
    retryable = False
    maybe_billed = False


class OutOfCredit(ProviderError):
    """The account is empty or its spend limit reached; waiting does not help."""

    outcome = "out-of-credit"
    retryable = False
    maybe_billed = False
