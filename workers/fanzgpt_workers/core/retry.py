"""What to do after an attempt that gave no answer."""

from dataclasses import dataclass
from typing import Final

from fanzgpt_workers.core.attempts import Outcome

UNBILLED: Final[frozenset[Outcome]] = frozenset({"throttled", "overloaded", "unreachable"})
MAYBE_BILLED: Final[frozenset[Outcome]] = frozenset({"timeout", "cut", "server-error", "malformed", "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long.

    Attempts that the provider never bills are many, since waiting is free and the request's time bounds it; attempts
    that may be billed are few, since each is money. Waits grow as `base * 2**n`, with full jitter (Brooker,
    "Exponential Backoff And Jitter", 2015), and are at least what the provider asked for. Seconds.
    """

    unbilled_attempts: int = 100
    billed_attempts: int = 3
    base: float = 0.5
    ceiling: float = 30.0


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Call again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further call can help within the policy; `why` is for people."""

    why: str


@dataclass(frozen=True, slots=True)
class TooLate:
    """The next call could not begin before the deadline."""


Decision = RetryIn | GiveUp | TooLate


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed attempt, as the decision sees it."""

    outcome: Outcome
    retryable: bool
    retry_after: float | None = None


def decide(
    failure: Failure,
    *,
    unbilled_so_far: int,
    billed_so_far: int,
    jitter: float,
    seconds_left: float | None,
    policy: RetryPolicy,
) -> Decision:
    """The next step after a failure.

    The counts include this failure and every attempt of earlier owners, so a restart does not begin again. `jitter` is
    uniform in [0, 1). `seconds_left` is the time to the request's last moment, None without one.
    """
    if not failure.retryable:
        return GiveUp("the provider will not accept this call")
    if failure.outcome in UNBILLED:
        tries, allowed = unbilled_so_far, policy.unbilled_attempts
    else:
        tries, allowed = billed_so_far, policy.billed_attempts
    if tries >= allowed:
        return GiveUp(f"{tries} of {allowed} attempts are used up")
    wait = min(policy.ceiling, policy.base * 2 ** min(tries - 1, 16)) * jitter
    if failure.retry_after is not None:
        wait = max(wait, failure.retry_after)
    if seconds_left is not None and wait >= seconds_left:
        return TooLate()
    return RetryIn(wait)
