"""What providers say of their limits beside an answer: `x-ratelimit-*` and `anthropic-ratelimit-*`."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from fanzgpt_workers.core.headroom import Headroom, Level
from fanzgpt_workers.ports import Completion

_MEASURES: Final = ("requests", "tokens", "input-tokens", "output-tokens")
_PARTS: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def headroom(headers: Mapping[str, str]) -> Headroom | None:
    """What is said; None where nothing is, as at most endpoints of one's own."""
    if "x-ratelimit-limit-requests" in headers or "x-ratelimit-limit-tokens" in headers:
        told = Headroom(requests=_openai(headers, "requests"), tokens=_openai(headers, "tokens"))
    elif "anthropic-ratelimit-requests-limit" in headers or "anthropic-ratelimit-tokens-limit" in headers:
        told = Headroom(
            requests=_anthropic(headers, "requests"),
            tokens=_anthropic(headers, "tokens"),
            input_tokens=_anthropic(headers, "input-tokens"),
            output_tokens=_anthropic(headers, "output-tokens"),
        )
    else:
        return None
    if told.input_tokens is not None and told.output_tokens is not None:
        # Anthropic's `tokens` are then whichever of the two has less left, and no limit on their sum.
        told = told._replace(tokens=None)
    return None if told == Headroom() else told


def with_headroom(completion: Completion, headers: Mapping[str, str]) -> Completion:
    """The completion with what was said beside it."""
    told = headroom(headers)
    return completion if told is None else replace(completion, headroom=told)


def exhausted_for(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds until the last of the limits that nothing is left of is whole again; None where none is known to be.

    `now` is seconds since the epoch.
    """
    waits = []
    for measure in _MEASURES:
        if headers.get(f"x-ratelimit-remaining-{measure}") == "0":
            waits.append(_duration(headers.get(f"x-ratelimit-reset-{measure}", "")))
        elif headers.get(f"anthropic-ratelimit-{measure}-remaining") == "0":
            waits.append(_until(headers.get(f"anthropic-ratelimit-{measure}-reset", ""), now))
    return max((wait for wait in waits if wait is not None), default=None)


def _openai(headers: Mapping[str, str], measure: str) -> Level | None:
    return _level(headers.get(f"x-ratelimit-limit-{measure}"), headers.get(f"x-ratelimit-remaining-{measure}"))


def _anthropic(headers: Mapping[str, str], measure: str) -> Level | None:
    name = f"anthropic-ratelimit-{measure}"
    return _level(headers.get(f"{name}-limit"), headers.get(f"{name}-remaining"))


def _level(limit: str | None, remaining: str | None) -> Level | None:
    # What is no whole number is not told: no answer is thrown away for such a header. Zero is how some say "no limit".
    if limit is None or remaining is None or not (_is_count(limit) and _is_count(remaining)):
        return None
    return Level(int(limit), int(remaining)) if int(limit) > 0 else None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 12


def _duration(text: str) -> float | None:
    """`6m0s`, `992ms`."""
    parts = _PARTS.findall(text)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts) if parts else None


def _until(text: str, now: float) -> float | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return max(0.0, instant.timestamp() - now) if instant.tzinfo is not None else None
