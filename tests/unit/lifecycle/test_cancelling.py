"""Wishes to cancel: before a call, during one, after one, and too many of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from fanzgpt_workers.lifecycle import cancelling
from fanzgpt_workers.lifecycle.cancelling import REMEMBERED, CalledOff, Wishes


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 5, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def wishes(clock: HandClock) -> Wishes:
    return Wishes(clock)


def test_a_wish_is_remembered_until_it_is_met_or_an_hour_old(wishes: Wishes, clock: HandClock) -> None:
    kept, met = uuid4(), uuid4()
    wishes.add(kept, clock.now())
    wishes.add(met, clock.now())
    wishes.over(met)
    assert wishes.is_wished(kept)
    assert not wishes.is_wished(met)
    assert not wishes.is_wished(uuid4())
    clock.time += REMEMBERED + timedelta(seconds=1)
    assert not wishes.is_wished(kept)


async def test_a_wish_breaks_a_call_off_wherever_it_waits(wishes: Wishes, clock: HandClock) -> None:
    key, calling, closed = uuid4(), asyncio.Event(), asyncio.Event()

    async def call() -> str:
        try:
            with wishes.calling(key):
                try:
                    calling.set()
                    await asyncio.Event().wait()
                finally:
                    closed.set()
        except CalledOff:
            await asyncio.sleep(0)  # the task goes on as if nothing had happened
            return "told as cancelled"
        return "answered"

    task = asyncio.create_task(call())
    await calling.wait()
    wishes.add(key, clock.now())
    wishes.add(key, clock.now())
    assert await task == "told as cancelled"
    assert closed.is_set()
    assert not task.cancelling()


async def test_a_wish_in_the_moment_of_the_answer_breaks_off_or_is_too_late_and_never_leaks(
    wishes: Wishes, clock: HandClock
) -> None:
    key, answer = uuid4(), asyncio.get_running_loop().create_future()

    async def call() -> str:
        try:
            with wishes.calling(key):
                await answer
        except CalledOff:
            return "cancelled"
        await asyncio.sleep(0)
        return "answered"

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    answer.set_result(None)
    wishes.add(key, clock.now())
    assert await task == "cancelled"


async def test_a_task_that_is_stopped_is_not_taken_for_a_request_that_was_cancelled(
    wishes: Wishes, clock: HandClock
) -> None:
    key, calling = uuid4(), asyncio.Event()

    async def call() -> None:
        with wishes.calling(key):
            calling.set()
            await asyncio.Event().wait()

    stopped = asyncio.create_task(call())
    await calling.wait()
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    both = asyncio.create_task(call())
    await asyncio.sleep(0)
    wishes.add(key, clock.now())
    both.cancel()
    with pytest.raises(asyncio.CancelledError):
        await both


async def test_a_wish_after_the_calls_changes_nothing(wishes: Wishes, clock: HandClock) -> None:
    key = uuid4()
    with wishes.calling(key):
        pass
    wishes.add(key, clock.now())
    await asyncio.sleep(0)


def test_memory_is_bounded(wishes: Wishes, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "_MOST_REMEMBERED", 10)
    keys = [uuid4() for _ in range(25)]
    for key in keys:
        wishes.add(key, clock.now())
    assert [wishes.is_wished(key) for key in keys] == [False] * 15 + [True] * 10
    clock.time += 2 * REMEMBERED
    wishes.add(keys[0], clock.now())
    assert len(wishes._wished) == 1
