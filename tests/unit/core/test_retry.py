"""The retry table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.core.attempts import OUTCOMES, Outcome
from fanzgpt_workers.core.retry import UNBILLED, Failure, GiveUp, RetryIn, RetryPolicy, TooLate, decide

POLICY = RetryPolicy()


@given(
    outcome=st.sampled_from(OUTCOMES),
    unbilled=st.integers(1, 40),
    billed=st.integers(1, 40),
    jitter=st.floats(0, 1, exclude_max=True),
    retry_after=st.none() | st.floats(0, 100_000),
    left=st.none() | st.floats(-10, 100_000),
)
def test_a_retry_waits_as_asked_and_never_past_the_deadline(
    outcome: Outcome, unbilled: int, billed: int, jitter: float, retry_after: float | None, left: float | None
) -> None:
    decision = decide(
        Failure(outcome=outcome, retryable=True, retry_after=retry_after),
        unbilled_so_far=unbilled,
        billed_so_far=billed,
        jitter=jitter,
        seconds_left=left,
        policy=POLICY,
    )
    if isinstance(decision, RetryIn):
        assert decision.seconds >= (retry_after or 0)
        assert left is None or decision.seconds < left
        assert decision.seconds <= max(POLICY.ceiling, retry_after or 0)
    used = unbilled if outcome in UNBILLED else billed
    allowed = POLICY.unbilled_attempts if outcome in UNBILLED else POLICY.billed_attempts
    assert isinstance(decision, GiveUp) == (used >= allowed)


@pytest.mark.parametrize("outcome", ["refused", "unauthorized", "no-such-model", "out-of-credit"])
def test_what_cannot_succeed_is_never_retried(outcome: Outcome) -> None:
    decision = decide(
        Failure(outcome=outcome, retryable=False),
        unbilled_so_far=0,
        billed_so_far=1,
        jitter=0,
        seconds_left=None,
        policy=POLICY,
    )
    assert isinstance(decision, GiveUp)


def test_a_wait_past_the_deadline_is_not_begun() -> None:
    decision = decide(
        Failure(outcome="throttled", retryable=True, retry_after=60),
        unbilled_so_far=1,
        billed_so_far=0,
        jitter=0.5,
        seconds_left=30,
        policy=POLICY,
    )
    assert decision == TooLate()
