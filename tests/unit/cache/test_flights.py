"""Questions that are asked by many at once, by workers that die, give up, drain and lose their Redis."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest
from tests.unit.virtually import on_virtual_time

from fanzgpt_workers.cache.flights import Flights
from fanzgpt_workers.cache.keeper import LEASE_SECONDS, Lease, Look, MemoryKeeper, MemoryKept
from fanzgpt_workers.errors import CacheUnavailable, LetGo
from fanzgpt_workers.ports import Asking, KnownAnswer

KEY = "ai:social-post:u-1:a"
ANSWER = KnownAnswer(
    output={"post": "rain"},
    request_id="r-1",
    usd=Decimal("0.01"),
    provider="openai",
    model="m",
    prompt_version="social-post/1",
    finish_reason="stop",
)


class Heard:
    """What the observer is told."""

    def __init__(self) -> None:
        self.asked_as: list[str] = []
        self.away = 0

    def asked(self, how: str) -> None:
        self.asked_as.append(how)

    def cache_away(self, error: Exception) -> None:
        self.away += 1


class Lost(MemoryKeeper):
    """A keeper that may be away."""

    is_away = False

    async def look(self, wanted: Sequence[Lease]) -> Sequence[Look]:
        await asyncio.sleep(0.001)
        if self.is_away:
            raise CacheUnavailable("away")
        return await super().look(wanted)

    async def end(self, ended: Sequence[tuple[Lease, str]]) -> None:
        await asyncio.sleep(0.001)
        if self.is_away:
            raise CacheUnavailable("away")
        await super().end(ended)


class Worker:
    """One worker's flights, at a keeper that all share."""

    def __init__(self, kept: MemoryKept, name: str) -> None:
        self.heard = Heard()
        self.keeper = Lost(kept, seconds=60)
        time = asyncio.get_running_loop().time
        self.flights = Flights(self.keeper, worker=name, time=time, observer=self.heard)
        self.calls = 0

    async def ask(self, *, seconds: float = 2.0, fails: bool = False) -> KnownAnswer | None:
        """Ask, and call for so long where it is this one's turn."""
        asking: Asking = await self.flights.enter(KEY)
        if asking.known is not None:
            return asking.known
        self.calls += 1
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            asking.left()
            raise
        if fails:
            asking.unanswered()
            return None
        asking.answered(ANSWER)
        return ANSWER


def workers(number: int) -> list[Worker]:
    kept = MemoryKept(time=asyncio.get_running_loop().time)
    return [Worker(kept, str(each)) for each in range(number)]


@on_virtual_time
async def test_of_a_hundred_in_three_workers_one_calls_and_all_have_its_answer() -> None:
    group = workers(3)
    answers = await asyncio.gather(*(group[number % 3].ask() for number in range(100)))
    assert answers == [ANSWER] * 100
    assert sum(worker.calls for worker in group) == 1
    assert sorted(how for worker in group for how in worker.heard.asked_as) == ["called"] + ["shared"] * 99
    assert await group[1].ask() == ANSWER
    assert group[1].heard.asked_as[-1] == "kept"
    assert all(worker.flights.waiting == 0 for worker in group)


@on_virtual_time
async def test_a_call_longer_than_its_lease_keeps_its_lease() -> None:
    group = workers(2)
    answers = await asyncio.gather(*(worker.ask(seconds=5 * LEASE_SECONDS) for worker in group))
    assert answers == [ANSWER, ANSWER]
    assert sum(worker.calls for worker in group) == 1


@on_virtual_time
async def test_when_the_caller_goes_away_the_next_one_calls_and_no_more() -> None:
    group = workers(2)
    first = asyncio.create_task(group[0].ask(seconds=60))
    await asyncio.sleep(0.5)
    others = [asyncio.create_task(group[number % 2].ask()) for number in range(20)]
    await asyncio.sleep(0.5)
    first.cancel()
    assert await asyncio.gather(*others) == [ANSWER] * 20
    assert sum(worker.calls for worker in group) == 2


@on_virtual_time
async def test_a_worker_that_dies_in_its_call_hangs_nobody_for_longer_than_its_lease() -> None:
    dead, alive = workers(2)
    await dead.keeper.look([Lease(KEY, "dead/1")])  # and is never heard of again
    began = asyncio.get_running_loop().time()
    assert await asyncio.gather(alive.ask(seconds=0), alive.ask()) == [ANSWER, ANSWER]
    assert asyncio.get_running_loop().time() - began <= LEASE_SECONDS + 0.6
    assert alive.calls == 1


@on_virtual_time
async def test_a_provider_that_will_not_answer_is_asked_by_each_for_itself() -> None:
    (worker,) = workers(1)
    first = asyncio.create_task(worker.ask(fails=True))
    await asyncio.sleep(0.5)
    others = [asyncio.create_task(worker.ask()) for _ in range(5)]
    assert await first is None
    began = asyncio.get_running_loop().time()
    assert await asyncio.gather(*others) == [ANSWER] * 5
    assert worker.calls == 6
    assert asyncio.get_running_loop().time() - began <= 2.1, "one after the other would take ten seconds"


@on_virtual_time
async def test_without_a_keeper_every_worker_calls_once_and_asks_it_again_later() -> None:
    group = workers(2)
    for worker in group:
        worker.keeper.is_away = True
    answers = await asyncio.gather(*(group[number % 2].ask() for number in range(40)))
    assert answers == [ANSWER] * 40
    assert [worker.calls for worker in group] == [1, 1]
    await asyncio.sleep(0.1)
    assert [worker.heard.away for worker in group] == [2, 2]  # at the question and at the answer
    for worker in group:
        worker.keeper.is_away = False
    await asyncio.sleep(2)
    await group[0].ask()
    assert await group[1].ask() == ANSWER
    assert group[1].heard.asked_as[-1] == "kept"


@on_virtual_time
async def test_whoever_waits_leaves_with_a_drain() -> None:
    group = workers(2)
    calling = asyncio.create_task(group[0].ask(seconds=60))
    await asyncio.sleep(0.5)
    waiting = [asyncio.create_task(worker.ask()) for worker in group]
    await asyncio.sleep(0.5)
    for worker in group:
        worker.flights.let_go()
    for task in waiting:
        with pytest.raises(LetGo):
            await task
    assert not calling.done()
    assert await group[1].flights.enter(KEY + "-other") is not None
    calling.cancel()


@on_virtual_time
async def test_a_lease_that_comes_too_late_is_given_up() -> None:
    one, other = workers(2)
    asking = asyncio.create_task(one.ask())
    await asyncio.sleep(0.0005)  # the keeper has not answered yet
    asking.cancel()
    await asyncio.sleep(0.1)
    assert await other.ask() == ANSWER
    assert other.heard.asked_as == ["called"]


@on_virtual_time
async def test_a_value_of_another_make_is_written_over() -> None:
    (worker,) = workers(1)
    await worker.keeper.end([(Lease(KEY, "0/0"), '"somebody else wrote this"')])
    assert await worker.ask() == ANSWER
    assert await worker.ask() == ANSWER
    assert worker.calls == 1
