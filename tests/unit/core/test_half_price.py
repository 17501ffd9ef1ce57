"""Which requests wait for a batch, and when they no longer may."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.core.attempts import Price
from fanzgpt_workers.core.half_price import BatchPolicy, discounted, gathers_again, is_urgent, waits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLICY = BatchPolicy(
    topic="batch",
    providers=frozenset({"openai"}),
    far=20 * HOUR,
    least=6 * HOUR,
    lead=HOUR,
    age=timedelta(minutes=5),
    most_calls=10,
    most_bytes=1_000,
)


def goes(
    policy: BatchPolicy = POLICY,
    *,
    generation_type: str = "social-post",
    topic: str = "batch",
    provider: str = "openai",
    left: timedelta | None = None,
    in_conversation: bool = False,
    called_before: bool = False,
) -> bool:
    return waits(
        policy,
        generation_type=generation_type,
        topic=topic,
        provider=provider,
        deadline=None if left is None else NOW + left,
        in_conversation=in_conversation,
        called_before=called_before,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("topic", "left", "expected"),
    [
        ("batch", None, True),
        ("batch", 6 * HOUR, True),
        ("batch", 5 * HOUR, False),
        ("standard", None, False),
        ("standard", 19 * HOUR, False),
        ("standard", 20 * HOUR, True),
    ],
)
def test_who_waits_is_told_by_topic_and_deadline(topic: str, left: timedelta | None, expected: bool) -> None:
    assert goes(topic=topic, left=left) is expected


def test_without_a_bound_for_far_deadlines_only_the_batch_topic_waits() -> None:
    assert not goes(replace(POLICY, far=None), topic="standard", left=100 * HOUR)


@pytest.mark.parametrize("generation_type", ["image-analysis", "voice-synthesis"])
def test_pictures_and_sound_are_called_for_by_themselves(generation_type: str) -> None:
    assert not goes(generation_type=generation_type)


def test_neither_conversations_nor_requests_called_before_nor_other_providers_wait() -> None:
    assert not goes(in_conversation=True)
    assert not goes(called_before=True)
    assert not goes(provider="anthropic")


@given(left=st.timedeltas(min_value=-HOUR, max_value=100 * HOUR), tries=st.integers(1, 5), was_made=st.booleans())
def test_what_gathers_again_is_never_urgent_never_paid_and_never_for_the_third_time(
    left: timedelta, tries: int, was_made: bool
) -> None:
    if gathers_again(POLICY, NOW + left, was_made=was_made, tries=tries, now=NOW):
        assert not is_urgent(POLICY, NOW + left, now=NOW)
        assert not was_made
        assert tries == 1


@given(usd=st.decimals(Decimal("0.000000001"), 1_000, places=9))
def test_a_batch_costs_what_is_listed_for_it_or_half(usd: Decimal) -> None:
    whole, listed = Price(usd=usd, version="list/1"), Price(usd=usd * 2 / 5, version="list/1")
    assert discounted(whole, listed) == listed
    assert discounted(whole, whole) == Price(usd=usd / 2, version="list/1 batch")


def test_what_has_no_price_has_none_in_a_batch() -> None:
    unknown = Price(usd=None, version="list/1")
    assert discounted(unknown, unknown) == unknown
