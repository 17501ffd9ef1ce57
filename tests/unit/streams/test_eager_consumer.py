"""Faust's consumer hands a record on at once, and races what pauses as Faust does."""

import asyncio
from typing import Any

import pytest

from fanzgpt_workers.streams.transport import Eager


@pytest.fixture
async def consumer() -> Eager:
    return Eager()


async def handed_on(steps: list[str]) -> str:
    steps.append("handed on")
    return "done"


async def handed_on_after(room: asyncio.Event, steps: list[str]) -> str:
    steps.append("began")
    try:
        await room.wait()
    except asyncio.CancelledError:
        steps.append("let go")
        raise
    await asyncio.sleep(0)
    steps.append("handed on")
    return "done"


async def of(task: "asyncio.Task[Any]") -> Any:
    async with asyncio.timeout(5):
        return await task


async def test_what_does_not_pause_is_handed_on_without_a_task(consumer: Eager) -> None:
    steps: list[str] = []
    before = asyncio.all_tasks()
    handing = handed_on(steps)
    race = consumer.wait_first(handing, asyncio.Event().wait())
    with pytest.raises(StopIteration) as end:
        race.send(None)
    assert end.value.value.results == ["done"]
    assert end.value.value.done == [handing]
    assert (steps, asyncio.all_tasks()) == (["handed on"], before)


async def test_what_pauses_goes_on_where_it_paused(consumer: Eager) -> None:
    steps: list[str] = []
    room, suspended = asyncio.Event(), asyncio.Event()
    race = asyncio.create_task(consumer.wait_first(handed_on_after(room, steps), suspended.wait()))
    await asyncio.sleep(0)
    assert steps == ["began"]
    room.set()
    assert (await of(race)).results == ["done"]
    assert steps == ["began", "handed on"]


async def test_it_is_let_go_once_the_flow_is_suspended(consumer: Eager) -> None:
    steps: list[str] = []
    suspended = asyncio.Event()
    race = asyncio.create_task(consumer.wait_first(handed_on_after(asyncio.Event(), steps), suspended.wait()))
    await asyncio.sleep(0)
    suspended.set()
    assert (await of(race)).results == [True]
    await asyncio.sleep(0)
    assert steps == ["began", "let go"]


async def test_it_is_let_go_once_the_consumer_is_stopped(consumer: Eager) -> None:
    steps: list[str] = []
    race = asyncio.create_task(consumer.wait_first(handed_on_after(asyncio.Event(), steps), asyncio.Event().wait()))
    await asyncio.sleep(0)
    consumer._stopped.set()
    assert (await of(race)).stopped
    await asyncio.sleep(0)
    assert steps == ["began", "let go"]


async def test_whoever_stops_waiting_takes_it_along(consumer: Eager) -> None:
    steps: list[str] = []
    race = asyncio.create_task(consumer.wait_first(handed_on_after(asyncio.Event(), steps), asyncio.Event().wait()))
    await asyncio.sleep(0)
    race.cancel()
    with pytest.raises(asyncio.CancelledError):
        await of(race)
    await asyncio.sleep(0)
    assert steps == ["began", "let go"]


@pytest.mark.parametrize("pauses", [0, 1, 2])
async def test_its_error_is_the_waiters(consumer: Eager, pauses: int) -> None:
    async def breaks() -> None:
        for _ in range(pauses):
            await asyncio.sleep(0)
        raise LookupError("no such channel")

    with pytest.raises(LookupError, match="no such channel"):
        await consumer.wait_first(breaks(), asyncio.Event().wait())


async def test_an_event_is_waited_for_as_ever(consumer: Eager) -> None:
    flow = asyncio.Event()
    race = asyncio.create_task(consumer.wait_first(flow))
    await asyncio.sleep(0)
    flow.set()
    assert (await of(race)).done == [flow]
