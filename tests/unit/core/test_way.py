"""The way along a fallback chain."""

from fanzgpt_workers.core.routing import NoTarget, Routes, Target
from fanzgpt_workers.core.way import Step, Way

A, B, C = Target("openai", "a"), Target("anthropic", "b"), Target("openai", "c")


def test_a_failure_leads_to_the_next_at_once_and_from_the_last_back_to_the_first() -> None:
    way = Way([A, B, C])
    assert way.ahead() == [A, B, C]
    assert way.after(A, "server-error", retryable=True) is Step.NEXT
    assert way.ahead() == [B, C]
    assert way.after(C, "overloaded", retryable=True) is Step.ANEW
    assert way.ahead() == [A, B, C]
    assert way.has_failed(A)
    assert not way.has_failed(B)


def test_without_fallbacks_the_same_is_called_again() -> None:
    way = Way([A])
    assert way.after(A, "timeout", retryable=True) is Step.SAME
    assert way.ahead() == [A]


def test_a_limit_is_waited_for_where_it_is() -> None:
    way = Way([A, B])
    assert way.after(A, "throttled", retryable=True) is Step.SAME
    assert way.ahead() == [A, B]
    way.after(A, "cut", retryable=True)
    assert way.after(B, "throttled", retryable=True) is Step.SAME
    assert way.ahead() == [B]


def test_what_the_first_refuses_is_refused_and_a_fallback_that_refuses_is_left_out() -> None:
    assert Way([A, B]).after(A, "refused", retryable=False) is Step.GIVE_UP
    way = Way([A, B, C])
    way.after(A, "unreachable", retryable=True)
    assert way.after(B, "no-such-model", retryable=False) is Step.NEXT
    assert way.ahead() == [C]
    assert way.after(C, "unauthorized", retryable=False) is Step.SAME
    assert way.ahead() == [A]


def test_whoever_names_a_model_gets_that_one_and_the_others_get_their_types_chain() -> None:
    routes = Routes(
        default_provider="openai",
        models={"openai": "a", "anthropic": "b"},
        fallbacks={None: (A, B), "chat-response": (C,), "content-calendar": ()},
    )
    assert routes.chain(provider=None, model=None, generation_type="social-post") == (A, B)
    assert routes.chain(provider=None, model=None, generation_type="chat-response") == (A, C)
    assert routes.chain(provider=None, model=None, generation_type="content-calendar") == (A,)
    assert routes.chain(provider="anthropic", model=None, generation_type="social-post") == (B,)
    assert routes.chain(provider=None, model="x", generation_type="social-post") == (Target("openai", "x"),)
    assert isinstance(routes.chain(provider="other", model=None, generation_type="social-post"), NoTarget)
