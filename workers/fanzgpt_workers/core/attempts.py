"""One provider call in the ledger: the row written before it, and what is known after it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, get_args
from uuid import UUID

from fanzgpt_workers.core.budgets import Reservation

Cause = Literal["first", "retry", "fallback", "repair", "redelivery", "batch"]

Outcome = Literal[
    "ok",  # an answer
    "throttled",  # 429: the provider's limit, not billed
    "overloaded",  # 503, 529: not billed
    "unreachable",  # no connection: not billed
    "timeout",  # our deadline passed while it was under way: may be billed
    "cut",  # the connection broke while it was under way: may be billed
    "server-error",  # other 5xx: may be billed
    "refused",  # 4xx: the request itself is refused, not billed
    "unauthorized",  # 401, 403: the key is refused, not billed
    "no-such-model",  # 404: not billed
    "out-of-credit",  # the account is empty: not billed
    "malformed",  # an answer that is not of the provider's own shape: may be billed
    "cancelled",  # closed by us: may be billed
    "unknown",  # a crash hid the outcome: may be billed
]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


Tier = Literal["flex", "priority", "batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them. `None` means not told, or none.

    `input` includes cached tokens, those written to a cache, audio and images; `cache_write` includes those written for
    an hour; `output` includes reasoning, audio and images. `tier` is what the provider charges for, None for its
    ordinary one.
    `characters` is what was spoken, where a call is charged by that; there are no tokens then.
    """

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    characters: int | None = None
    cache_write_1h: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    input_image: int | None = None
    output_image: int | None = None
    tier: Tier | None = None

    @property
    def is_plain(self) -> bool:
        """Whether its price is a matter of input, output and the cache alone."""
        return self.tier is None and not (
            self.cache_write_1h or self.input_audio or self.output_audio or self.input_image or self.output_image
        )


CHARACTERS_PER_TOKEN: Final = 4


def estimated(*, prompt_characters: int, answer_characters: int) -> Usage:
    """What a call will have taken whose answer stopped half way, by the rule of thumb of four characters a token."""
    return Usage(
        input=-(-prompt_characters // CHARACTERS_PER_TOKEN), output=-(-answer_characters // CHARACTERS_PER_TOKEN)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an attempt cost in US dollars, by the price list `version`; `usd` is None for a model without a price."""

    usd: Decimal | None
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted:
    """Written before the first byte goes out. `ordinal` counts the request's attempts from 1.

    `reservation` is what it may cost at most, where budgets are kept.
    """

    attempt_id: UUID
    request_key: UUID
    epoch: int
    ordinal: int
    provider: str
    model: str
    cause: Cause
    reservation: Reservation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    """What is known once the call is over; `detail` is for people and never holds a prompt or an answer.

    Usage and price of an outcome other than `ok` are an estimate, from the part of the answer that had arrived: the
    provider may charge that, more or nothing.
    """

    attempt_id: UUID
    outcome: Outcome
    response_id: str | None = None
    usage: Usage | None = None
    price: Price | None = None
    finish_reason: str | None = None
    latency_ms: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """An attempt of an earlier owner, as far as the ledger knows; its row was written at `started_at`."""

    attempt_id: UUID
    ordinal: int
    provider: str
    model: str
    outcome: Outcome
    started_at: datetime
