"""When a model counts as down, and where a call goes meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.core.attempts import OUTCOMES, Outcome
from fanzgpt_workers.core.breaker import FAILURES, WELL, BreakerPolicy, ErrorRate, Standing, first_callable

POLICY = BreakerPolicy(calls=20, least=5, share=0.5, window=60.0)
DOWN = Standing(tripped=True, rests=3.0)
MAY_BE_PROBED = Standing(tripped=True, rests=0.0)
RESTING = Standing(tripped=False, rests=3.0)


def test_a_dead_provider_is_found_after_a_few_failures_at_any_rate_of_calls() -> None:
    for seconds_between in (0.001, 1.0):
        rate, now, wasted = ErrorRate(POLICY), 0.0, 0
        for _ in range(1_000):
            now += seconds_between
            assert not rate.ended("ok", now)
        while not rate.ended("unreachable", now := now + seconds_between):
            wasted += 1
        assert wasted < 10


def test_a_few_failures_among_many_answers_open_nothing() -> None:
    rate = ErrorRate(POLICY)
    assert not any(rate.ended("server-error" if call % 3 == 0 else "ok", call) for call in range(300))


def test_failures_of_long_ago_do_not_count() -> None:
    rate = ErrorRate(POLICY)
    assert not any(rate.ended("timeout", 20.0 * call) for call in range(100))


@pytest.mark.parametrize("outcome", sorted(set(OUTCOMES) - FAILURES))
def test_limits_and_refusals_and_what_we_closed_ourselves_open_nothing(outcome: Outcome) -> None:
    rate = ErrorRate(POLICY)
    assert not any(rate.ended(outcome, call / 10) for call in range(100))


@given(st.lists(st.sampled_from(OUTCOMES), max_size=200))
def test_it_opens_at_a_failure_and_never_with_fewer_than_the_least(outcomes: list[Outcome]) -> None:
    rate, failed = ErrorRate(POLICY), 0
    for place, outcome in enumerate(outcomes):
        failed += outcome in FAILURES
        if rate.ended(outcome, float(place)):
            assert outcome in FAILURES
            assert failed >= POLICY.least
            rate.forget()
            failed = 0


def test_the_first_that_is_not_down_is_called_and_one_that_rests_is_waited_for() -> None:
    assert first_callable([WELL, WELL]) == 0
    assert first_callable([DOWN, WELL]) == 1
    assert first_callable([MAY_BE_PROBED, DOWN, WELL]) == 2
    assert first_callable([RESTING, WELL]) is None
    assert first_callable([DOWN, RESTING, WELL]) is None
    assert first_callable([DOWN, MAY_BE_PROBED]) is None
