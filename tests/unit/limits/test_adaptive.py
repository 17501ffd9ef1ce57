"""Before a provider whose limits nobody knows."""

import asyncio

import pytest

from fanzgpt_workers.errors import LetGo
from fanzgpt_workers.limits.adaptive import Adaptive


async def bounded(at_once: int) -> tuple[Adaptive, list[int]]:
    """One that has found out that so many calls at once are borne, with so many under way."""
    adaptive = Adaptive()
    refused = [await adaptive.enter() for _ in range(round(at_once / 0.7))]
    for flight in refused:
        adaptive.over(flight, "throttled")
    return adaptive, [await adaptive.enter() for _ in range(at_once)]


async def test_calls_wait_in_their_order_for_a_place_in_the_window() -> None:
    adaptive, flights = await bounded(7)
    entered: list[str] = []

    async def enter(name: str) -> None:
        await adaptive.enter()
        entered.append(name)

    waiting = [asyncio.create_task(enter(name)) for name in ("first", "second")]
    await asyncio.sleep(0)
    assert adaptive.waiting == 2
    adaptive.over(flights[0], "server-error")
    await waiting[0]
    assert entered == ["first"]
    adaptive.over(flights[1], "server-error")
    await waiting[1]
    assert adaptive.waiting == 0


async def test_whoever_gives_up_gives_its_place_to_the_next() -> None:
    adaptive, flights = await bounded(7)
    given_up, patient = asyncio.create_task(adaptive.enter()), asyncio.create_task(adaptive.enter())
    await asyncio.sleep(0)
    adaptive.over(flights[0], "cancelled")
    given_up.cancel()  # in the same turn in which it was let through
    await asyncio.wait_for(patient, 5)
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_whoever_waits_when_the_process_drains_is_let_go() -> None:
    adaptive, _ = await bounded(7)
    waiting = asyncio.create_task(adaptive.enter())
    await asyncio.sleep(0)
    adaptive.let_go()
    with pytest.raises(LetGo):
        await waiting
    assert adaptive.waiting == 0
