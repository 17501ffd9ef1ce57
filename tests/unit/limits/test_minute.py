"""No minute holds more than the limit, whatever is asked when."""

import asyncio
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.core.load import Limit, Load
from fanzgpt_workers.limits.memory_minute import MemoryMinute
from fanzgpt_workers.limits.minute import SECONDS

ASKS = st.lists(
    st.tuples(st.integers(0, 30_000), st.lists(st.integers(1, 400), min_size=1, max_size=6)), min_size=1, max_size=60
)


@given(ASKS, st.integers(1, 20), st.integers(100, 2_000))
def test_in_no_sixty_seconds_more_is_granted_than_the_limit(
    asks: list[tuple[int, list[int]]], requests: int, tokens: int
) -> None:
    now = 0
    minute, limit = MemoryMinute(now_ms=lambda: now), Limit(requests=requests, tokens=tokens)
    granted: list[tuple[int, int]] = []
    for at, (_, wanted) in zip(accumulate(pause for pause, _ in asks), asks, strict=True):
        now = at
        grant = asyncio.run(minute.reserve([Load(requests=1, output=each) for each in wanted], limit))
        granted += [(at, each) for each in wanted[: grant.granted]]
        assert grant.granted == len(wanted) or grant.wait > 0
    for begin, _ in granted:
        inside = [taken for at, taken in granted if begin <= at < begin + SECONDS * 1000]
        assert len(inside) <= requests
        assert sum(inside) <= tokens or len(inside) == 1  # larger than any minute: alone


@given(st.lists(st.integers(1, 400), min_size=1, max_size=40), st.integers(1, 5))
def test_whoever_waits_as_long_as_is_said_gets_in(wanted: list[int], requests: int) -> None:
    now, left = 0, list(wanted)
    minute, limit = MemoryMinute(now_ms=lambda: now), Limit(requests=requests, tokens=1_000)
    for _ in range(len(wanted) + 2):
        grant = asyncio.run(minute.reserve([Load(requests=1, output=each) for each in left], limit))
        del left[: grant.granted]
        if not left:
            return
        now += round(grant.wait * 1000)
    raise AssertionError(f"{len(left)} of {len(wanted)} never got in")
