"""What providers say of their limits."""

import pytest

from fanzgpt_workers.core.headroom import Headroom, Level
from fanzgpt_workers.core.load import UNLIMITED, Limit
from fanzgpt_workers.providers.headroom import exhausted_for, headroom

OPENAI = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
    "x-ratelimit-limit-tokens": "30000",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "1m6.5s",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2026-11-23T12:00:09Z",
    "anthropic-ratelimit-tokens-limit": "8000",
    "anthropic-ratelimit-tokens-remaining": "7000",
    "anthropic-ratelimit-input-tokens-limit": "30000",
    "anthropic-ratelimit-input-tokens-remaining": "29000",
    "anthropic-ratelimit-output-tokens-limit": "8000",
    "anthropic-ratelimit-output-tokens-remaining": "7000",
}
NOON = 1_795_435_200.0


def test_openai_says_requests_and_tokens() -> None:
    assert headroom(OPENAI) == Headroom(requests=Level(500, 499), tokens=Level(30_000, 0))


def test_anthropic_says_input_and_output_and_its_sum_is_no_limit_then() -> None:
    told = headroom(ANTHROPIC)
    assert told == Headroom(
        requests=Level(50, 0), input_tokens=Level(30_000, 29_000), output_tokens=Level(8_000, 7_000)
    )
    assert told.limit() == Limit(requests=50, tokens=UNLIMITED, input_tokens=30_000, output_tokens=8_000)


@pytest.mark.parametrize("strange", ["", "-1", "many", "0", "1e9", "٣", "9" * 40])
def test_what_is_no_count_is_not_told(strange: str) -> None:
    assert headroom({"x-ratelimit-limit-tokens": strange, "x-ratelimit-remaining-tokens": "5"}) is None


def test_most_endpoints_say_nothing() -> None:
    assert headroom({"content-type": "application/json"}) is None


def test_a_limit_that_is_used_up_says_for_how_long() -> None:
    assert exhausted_for(OPENAI, now=NOON) == 66.5
    assert exhausted_for(ANTHROPIC, now=NOON) == 9
    assert exhausted_for({**OPENAI, "x-ratelimit-remaining-tokens": "9"}, now=NOON) is None
    assert exhausted_for({**OPENAI, "x-ratelimit-reset-tokens": "soon"}, now=NOON) is None
