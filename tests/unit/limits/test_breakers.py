"""Breakers of several workers over one board, on virtual time."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
from tests.unit.virtually import on_virtual_time

from fanzgpt_workers.core.breaker import BreakerPolicy, Standing
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import CacheUnavailable, LetGo
from fanzgpt_workers.limits.board import MemoryBoard
from fanzgpt_workers.limits.breakers import Breakers

A, B = Target("openai", "a"), Target("anthropic", "b")
POLICY = BreakerPolicy(calls=20, least=5, probe_after=5.0)


class Told:
    """What an observer hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def breaker_opened(self, target: Target) -> None:
        self.heard.append(f"opened {target}")

    def breaker_closed(self, target: Target) -> None:
        self.heard.append(f"closed {target}")

    def redis_away(self, error: Exception) -> None:
        self.heard.append("away")


class Away(MemoryBoard):
    """A board nobody reaches."""

    async def look(self, targets: Sequence[Target]) -> Sequence[Standing]:
        raise CacheUnavailable("away")

    async def rest(self, target: Target, seconds: float) -> None:
        raise CacheUnavailable("away")

    async def claim_probe(self, target: Target, seconds: float) -> bool:
        raise CacheUnavailable("away")


def now() -> float:
    return asyncio.get_running_loop().time()


def breakers(board: MemoryBoard, told: Told | None = None) -> Breakers:
    return Breakers(board, policy=POLICY, probe_seconds=30, time=now, observer=told or Told())


@contextmanager
def workers(number: int) -> Iterator[list[Breakers]]:
    """Several over one board, each reading it."""
    board = MemoryBoard(time=now)
    made = [breakers(board) for _ in range(number)]
    with ExitStack() as following:
        for each in made:
            task = asyncio.create_task(each.follow())
            following.callback(task.cancel)
        yield made


async def fail(worker: Breakers, times: int = 5, target: Target = A) -> None:
    permits = [await worker.enter([target]) for _ in range(times)]
    for permit in permits:
        permit.over("server-error")


@on_virtual_time
async def test_what_one_worker_finds_down_is_down_for_all_and_one_probe_heals_it_for_all() -> None:
    with workers(3) as (one, two, three):
        for each in (two, three):
            (await each.enter([A])).over("ok")
        await fail(one)
        await asyncio.sleep(1)
        assert [(await each.enter([A, B])).target for each in (one, two, three)] == [B, B, B]
        began = now()
        entering = [asyncio.create_task(each.enter([A])) for each in (one, one, two, two, three)]
        done, waiting = await asyncio.wait(entering, return_when=asyncio.FIRST_COMPLETED)
        assert 3.9 <= now() - began <= 5.1
        assert sum(each.waiting for each in (one, two, three)) == 4
        await asyncio.sleep(20)
        assert len(done) == 1
        assert not any(task.done() for task in waiting)
        done.pop().result().over("ok")
        await asyncio.wait_for(asyncio.gather(*waiting), 1)
        assert all(task.result().holds() for task in waiting)


@on_virtual_time
async def test_a_dead_provider_costs_one_call_a_probe_period() -> None:
    with workers(2) as (one, two):
        await fail(one)
        calls = 0

        async def keep_asking(worker: Breakers) -> None:
            nonlocal calls
            while True:
                permit = await worker.enter([A])
                calls += 1
                await asyncio.sleep(0.1)
                permit.over("unreachable")

        asking = [asyncio.create_task(keep_asking(worker)) for worker in (one, two) for _ in range(50)]
        await asyncio.sleep(0.6)  # the second hears of it
        calls = 0
        await asyncio.sleep(60)
        assert calls <= 60 / POLICY.probe_after
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


@on_virtual_time
async def test_a_call_that_waited_elsewhere_learns_that_its_target_is_down() -> None:
    with workers(1) as (one,):
        waiting = await one.enter([A])
        await fail(one)
        assert not waiting.holds()
        waiting.over("cancelled")
        assert (await one.enter([A, B])).target == B


@on_virtual_time
async def test_a_target_that_wants_to_be_left_alone_is_waited_for_and_one_that_says_it_is_down_is_not() -> None:
    with workers(2) as (one, two):
        (await two.enter([A])).over("ok")
        await one.rest(A, 7, is_down=False)
        await asyncio.sleep(1)
        began = now()
        assert (await two.enter([A, B])).target == A
        assert 5.9 <= now() - began <= 7.1
        await one.rest(A, 7, is_down=True)
        assert (await one.enter([A, B])).target == B


@on_virtual_time
async def test_one_request_that_always_breaks_opens_nothing() -> None:
    with workers(1) as (one,):
        for call in range(100):
            (await one.enter([A])).over("server-error", again=call > 0)
        assert (await one.enter([A])).holds()


@on_virtual_time
async def test_a_probe_that_is_cancelled_leaves_the_probing_to_the_next() -> None:
    with workers(1) as (one,):
        await fail(one)
        (await one.enter([A])).over("cancelled")
        probe = await asyncio.wait_for(one.enter([A]), 2)
        probe.over("ok")
        assert (await one.enter([A])).holds()


@on_virtual_time
async def test_whoever_waits_when_the_process_drains_is_let_go() -> None:
    with workers(1) as (one,):
        await fail(one)
        waiting = asyncio.create_task(one.enter([A]))
        await asyncio.sleep(0.1)
        one.let_go()
        with pytest.raises(LetGo):
            await waiting


@on_virtual_time
async def test_without_the_board_a_worker_goes_by_what_it_knows_itself() -> None:
    told = Told()
    alone = breakers(Away(time=now), told)
    following = asyncio.create_task(alone.follow())
    await fail(alone)
    began = now()
    probe = await alone.enter([A])
    assert now() - began >= POLICY.probe_after
    probe.over("ok")
    assert (await alone.enter([A])).holds()
    await alone.close()
    following.cancel()
    assert told.heard == ["opened openai/a", "away", "closed openai/a"]


@on_virtual_time
async def test_callers_may_name_any_number_of_models() -> None:
    with workers(1) as (one,):
        await fail(one)
        for number in range(2_500):
            (await one.enter([Target("openai", f"m-{number}")])).over("ok")
        assert len(one._targets) <= 1_000
        assert (await one.enter([A, B])).target == B
