"""The gate: in order, in batches, giving back what is not used, and never open when the shared window is away."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from fanzgpt_workers.core.attempts import Usage
from fanzgpt_workers.core.load import NOTHING, Limit, Load
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import CacheUnavailable, LetGo
from fanzgpt_workers.limits.gate import Gate, Known
from fanzgpt_workers.limits.memory_minute import MemoryMinute
from fanzgpt_workers.limits.minute import Correction, Grant, Told
from fanzgpt_workers.limits.provider_limits import ProviderLimits

LIMIT = Limit(requests=4, tokens=1_000)


class Kept(MemoryMinute):
    """A shared window that counts its asks, can be away, and says how many share it."""

    def __init__(self) -> None:
        super().__init__(now_ms=lambda: 1_000)
        self.asks: list[int] = []
        self.corrected: list[Correction] = []
        self.away = False

    async def reserve(self, calls: Sequence[Load], limit: Limit) -> Grant:
        await asyncio.sleep(0)
        if self.away:
            raise CacheUnavailable("away")
        self.asks.append(len(calls))
        grant = await super().reserve(calls, limit)
        return replace(grant, workers=2)

    async def correct(self, corrections: Sequence[Correction], told: Told | None = None) -> None:
        self.corrected += corrections
        await super().correct(corrections, told)


@pytest.fixture
def shared() -> Kept:
    return Kept()


@pytest.fixture
def told() -> list[Exception]:
    return []


@pytest.fixture
def gate(shared: Kept, told: list[Exception]) -> Gate:
    return Gate(shared, MemoryMinute(now_ms=lambda: 1_000), Known(LIMIT, stated=True), away=told.append)


def about(tokens: int) -> Callable[[], Load]:
    """A call of so many tokens."""
    return lambda: Load(requests=1, output=tokens)


async def turns(number: int = 20) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_what_arrives_while_the_window_is_asked_is_asked_for_together(gate: Gate, shared: Kept) -> None:
    await asyncio.gather(*(gate.enter(about(10)) for _ in range(4)))
    assert shared.asks in ([4], [1, 3])


async def test_calls_wait_in_their_order_until_something_is_given_back(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanzgpt_workers.limits.gate.LONGEST_WAIT", 0.01)
    first = await gate.enter(about(900))
    entered: list[str] = []

    async def enter(name: str, tokens: int) -> None:
        await gate.enter(about(tokens))
        entered.append(name)

    waiting = [asyncio.create_task(enter(name, tokens)) for name, tokens in (("large", 500), ("small", 1))]
    await turns()
    assert gate.waiting == 2
    assert entered == []
    first.over(input_tokens=0, output_tokens=100)
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert entered == ["large", "small"]


async def test_a_call_that_was_refused_gives_back_its_request(gate: Gate, shared: Kept) -> None:
    ticket = await gate.enter(about(100))
    ticket.unused()
    await turns()
    assert shared.corrected == [Correction(slot=10, change=Load(requests=-1, output=-100), over=1)]


async def test_whoever_gives_up_leaves_room_for_the_next(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fanzgpt_workers.limits.gate.LONGEST_WAIT", 0.01)
    full = await gate.enter(about(1_000))
    given_up = asyncio.create_task(gate.enter(about(900)))
    patient = asyncio.create_task(gate.enter(about(900)))
    await turns()
    given_up.cancel()
    full.unused()
    await asyncio.wait_for(patient, 5)
    assert gate.waiting == 0


async def test_whoever_waits_when_the_process_drains_is_let_go(gate: Gate) -> None:
    await gate.enter(about(1_000))
    waiting = asyncio.create_task(gate.enter(about(1)))
    await turns()
    gate.let_go()
    with pytest.raises(LetGo):
        await waiting
    assert gate.waiting == 0


async def test_without_the_shared_window_each_worker_keeps_to_its_share(
    gate: Gate, shared: Kept, told: list[Exception]
) -> None:
    await gate.enter(about(1))  # learns that two share the limit, and has used one of its own two calls
    shared.away = True
    entering = [asyncio.create_task(gate.enter(about(1))) for _ in range(4)]
    await turns(50)
    assert sum(task.done() for task in entering) == LIMIT.requests // 2 - 1
    assert len(told) == 1
    for task in entering:
        task.cancel()
    await asyncio.gather(*entering, return_exceptions=True)


async def test_who_waits_is_asked_for_by_what_was_learned_meanwhile(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanzgpt_workers.limits.gate.LONGEST_WAIT", 0.01)
    await gate.enter(about(600))
    expected = 800
    waiting = asyncio.create_task(gate.enter(lambda: Load(requests=1, output=expected)))
    await turns()
    assert gate.waiting == 1
    expected = 300
    await asyncio.wait_for(waiting, 5)


async def test_estimates_learn_what_calls_of_a_kind_take() -> None:
    kept, limited = Kept(), Target("openai", "m")
    limits = ProviderLimits(
        lambda target: Known(Limit(requests=100, tokens=100_000), stated=True) if target == limited else None,
        shared=lambda _target: kept,
        own=Kept,
        away=lambda _error: None,
    )

    async def taken(kind: str) -> int:
        kept._slots.clear()
        kept._held = NOTHING
        passage = await limits.enter(limited, kind=kind, prompt_characters=400, most_output=4_000)
        estimate = sum(load.input + load.output for load in kept._slots.values())
        passage.over("ok", Usage(input=100, output=80), None, counted=True)
        await turns()
        return estimate

    first = await taken("social-post")
    assert first == 100 + 4_000  # all that it may take: nothing is known yet
    later = [await taken("social-post") for _ in range(400)]
    assert later == sorted(later, reverse=True)
    assert 180 <= later[-1] <= 200  # what they take
    assert await taken("chat-response") == first
    free = await limits.enter(Target("anthropic", "m"), kind="x", prompt_characters=1, most_output=1)
    free.over("ok", None, None, counted=True)
    assert limits.waiting == 0
