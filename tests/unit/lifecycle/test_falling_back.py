"""What a request does while its provider fails: its fallbacks, its wait, and what is in the ledger of it."""

import asyncio
from collections.abc import Sequence

from tests.unit.lifecycle.living import Living, asked
from tests.unit.virtually import on_virtual_time

from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_workers.core.attempts import AttemptStarted
from fanzgpt_workers.core.breaker import BreakerPolicy
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import NoSuchModel, Overloaded, Refused, ServerError, Throttled, TimedOut
from fanzgpt_workers.lifecycle.door import Door
from fanzgpt_workers.limits.board import MemoryBoard
from fanzgpt_workers.limits.breakers import Breakers
from fanzgpt_workers.records import Handled

FALLBACK = Target("anthropic", "b")


class Unheard:
    """Nobody listens."""

    def breaker_opened(self, target: Target) -> None: ...

    def breaker_closed(self, target: Target) -> None: ...

    def redis_away(self, error: Exception) -> None: ...


def guarded(*fallbacks: Target) -> Living:
    """A worker with breakers."""
    time = asyncio.get_running_loop().time
    policy = BreakerPolicy(least=3, probe_after=5.0)
    breakers = Breakers(MemoryBoard(time=time), policy=policy, probe_seconds=30, time=time, observer=Unheard())
    return Living(door=Door(breakers=breakers), fallbacks=fallbacks)


def made_to(living: Living) -> list[tuple[str, str, str]]:
    """Provider, cause and outcome of each attempt."""
    return [(h.started.provider, h.started.cause, h.ended.outcome if h.ended else "-") for h in living.attempts()]


@on_virtual_time
async def test_a_failure_is_answered_by_the_fallback_at_once() -> None:
    living = guarded(FALLBACK)
    living.provider.answers = [ServerError("500")]
    began = living.clock.now()
    assert await living.take(asked()) is Handled.DONE
    assert living.clock.now() == began
    assert made_to(living) == [("openai", "first", "server-error"), ("anthropic", "fallback", "ok")]
    (told,) = living.told(COMPLETED_TOPIC)
    assert told["metadata"]["provider"] == "anthropic"
    assert living.other.calls[0].model == "b"


@on_virtual_time
async def test_whoever_names_a_model_waits_for_that_one() -> None:
    living = guarded(FALLBACK)
    living.provider.answers = [Overloaded("529")]
    await living.take(asked(options={"model": "m"}))
    assert made_to(living) == [("openai", "first", "overloaded"), ("openai", "retry", "ok")]


@on_virtual_time
async def test_a_limit_and_a_refusal_are_no_reason_to_fall_back() -> None:
    living = guarded(FALLBACK)
    living.provider.answers = [Throttled("429", retry_after=7)]
    began = living.clock.now()
    await living.take(asked())
    assert (living.clock.now() - began).total_seconds() >= 7
    living.provider.answers = [Refused("400")]
    await living.take(asked(requestId="r-2"), offset=1)
    assert [cause for _, cause, _ in made_to(living)].count("fallback") == 0
    assert [each["reason"] for each in living.told(FAILED_TOPIC)] == ["provider"]


@on_virtual_time
async def test_while_a_model_is_down_its_fallback_is_called_first_and_then_no_more() -> None:
    living = guarded(FALLBACK)
    living.provider.answers = [ServerError("500")] * 3
    for number in range(6):
        await living.take(asked(requestId=f"r-{number}"), offset=number)
    assert len(living.provider.calls) == 3
    assert len(living.other.calls) == 6
    await asyncio.sleep(5)
    for number in range(6, 10):
        await living.take(asked(requestId=f"r-{number}"), offset=number)
    assert len(living.provider.calls) == 7
    assert len(living.other.calls) == 6


@on_virtual_time
async def test_a_fallback_that_is_set_up_wrongly_fails_no_request() -> None:
    living = guarded(FALLBACK)
    living.provider.answers = [ServerError("500")]
    living.other.answers = [NoSuchModel("404")]
    await living.take(asked())
    assert made_to(living) == [
        ("openai", "first", "server-error"),
        ("anthropic", "fallback", "no-such-model"),
        ("openai", "retry", "ok"),
    ]


@on_virtual_time
async def test_when_everything_is_down_a_request_waits_for_its_deadline_unpaid() -> None:
    living = guarded()
    living.provider.answers = [ServerError("500")] * 6
    for number in range(3):
        await living.take(asked(requestId=f"r-{number}", deadline=living.in_seconds(0.1)), offset=number)
    calls = len(living.provider.calls)
    assert await living.take(asked(requestId="late", deadline=living.in_seconds(3)), offset=3) is Handled.DONE
    assert len(living.provider.calls) == calls
    told = living.told(FAILED_TOPIC)[-1]
    assert (told["requestId"], told["reason"]) == ("late", "expired")
    assert "could not be called before the deadline" in told["detail"]


@on_virtual_time
async def test_without_a_deadline_a_request_outwaits_an_outage_of_any_length() -> None:
    living = guarded()
    living.provider.answers = [ServerError("500")] * 100
    for number in range(3):
        await living.take(asked(requestId=f"r-{number}", deadline=living.in_seconds(0.1)), offset=number)
    waiting = asyncio.create_task(living.take(asked(requestId="patient"), offset=3))
    await asyncio.sleep(4)
    living.provider.answers = []
    assert await waiting is Handled.DONE
    assert [each["requestId"] for each in living.told(COMPLETED_TOPIC)] == ["patient"]


@on_virtual_time
async def test_a_call_that_had_no_time_says_nothing_about_its_provider() -> None:
    living = guarded()
    living.provider.answers = [TimedOut("no answer")] * 20
    for number in range(20):
        await living.take(asked(requestId=f"r-{number}", deadline=living.in_seconds(0.2)), offset=number)
    began = living.clock.now()
    await living.take(asked(requestId="next"), offset=20)
    assert living.clock.now() == began


@on_virtual_time
async def test_a_request_cancelled_while_its_attempt_is_written_leaves_no_attempt_open() -> None:
    living = guarded()
    start, writing = living.ledger.start_attempts, asyncio.Event()

    async def slowly(attempts: Sequence[AttemptStarted]) -> Sequence[bool]:
        await asyncio.sleep(1)
        started = await start(attempts)
        await writing.wait()
        return started

    living.books._starts._flush = slowly
    taking = asyncio.create_task(living.take(asked()))
    await asyncio.sleep(2)
    (key,) = living.ledger.requests
    living.wishes.add(key, living.clock.now())
    assert await taking is Handled.DONE
    writing.set()
    await living.books.close()
    assert living.provider.calls == []
    assert [each["reason"] for each in living.told(FAILED_TOPIC)] == ["cancelled"]
    assert living.causes() == [("first", "cancelled")]
