"""Which requests wait for a batch, and until when."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from fanzgpt_workers.core.attempts import Price

DISCOUNT: Final = 2
"""Both makers ask half of every rate for what is called in a batch."""

BY_THEMSELVES: Final = frozenset({"image-analysis", "voice-synthesis"})
"""What is made of pictures or of sound: a batch holds calls of text alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPolicy:
    """What the half-price lane takes and how it groups it.

    A request on the `topic`, or with a deadline at least `far` away, waits; `far` None is for the topic alone. One with
    a deadline nearer than `least` never does, and one that still waits `lead` before its deadline goes back. Of what
    waits a batch is made when it is `most_calls` or `most_bytes`, or when the first of it has waited for `age`.
    """

    topic: str
    providers: AbstractSet[str]
    far: timedelta | None
    least: timedelta
    lead: timedelta
    age: timedelta
    most_calls: int
    most_bytes: int


def waits(
    policy: BatchPolicy,
    *,
    generation_type: str,
    topic: str,
    provider: str,
    deadline: datetime | None,
    in_conversation: bool,
    called_before: bool,
    now: datetime,
) -> bool:
    """Whether a request waits for a batch.

    One of a conversation does not, since the next message would overtake it; nor one that was called for before, since
    that call may have been paid for.
    """
    if provider not in policy.providers or in_conversation or called_before or generation_type in BY_THEMSELVES:
        return False
    if deadline is None:
        return topic == policy.topic
    left = deadline - now
    return left >= policy.least and (topic == policy.topic or (policy.far is not None and left >= policy.far))


def is_urgent(policy: BatchPolicy, deadline: datetime | None, *, now: datetime) -> bool:
    """Whether it is time to call by itself for a request that still waits."""
    return deadline is not None and deadline - now <= policy.lead


def gathers_again(policy: BatchPolicy, deadline: datetime | None, *, was_made: bool, tries: int, now: datetime) -> bool:
    """Whether a call that its batch did not answer waits for another batch, rather than being made by itself.

    Only one that was never made, and only once: whoever waits a second time in vain has waited enough.
    """
    return not was_made and tries < 2 and not is_urgent(policy, deadline, now=now)


def discounted(whole: Price, listed: Price) -> Price:
    """The price of a call within a batch: the one that is `listed` for batches, or half of the whole one.

    A list without a price for a model's batches, and one of ours, give the whole price again.
    """
    if whole.usd is None or listed.usd != whole.usd:
        return listed
    return replace(whole, usd=whole.usd / DISCOUNT, version=f"{whole.version} batch")
