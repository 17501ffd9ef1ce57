"""A request's way to its one ending, whatever the ledger knows of it and whatever the provider says."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.unit.lifecycle.living import (
    TAKEOVER_SECONDS,
    Living,
    a_call_was_under_way,
    another_owner,
    asked,
    identity_of,
    live_request,
)
from tests.unit.virtually import on_virtual_time

from fanzgpt_schemas.events import ANALYTICS_TOPIC, COMPLETED_TOPIC, FAILED_TOPIC, PREFERENCES_TOPIC
from fanzgpt_workers.core.attempts import AttemptStarted
from fanzgpt_workers.core.endings import Ending, SaveVerdict
from fanzgpt_workers.errors import (
    Cut,
    OutOfCredit,
    Overloaded,
    Refused,
    ServerError,
    Throttled,
    TimedOut,
)
from fanzgpt_workers.records import Handled

# --- the plain way


@on_virtual_time
async def test_a_new_request_is_answered_saved_and_told() -> None:
    living = Living()
    assert await living.take(asked(options={"preferences": {"tone": "warm"}})) is Handled.DONE
    (answer,) = living.told(COMPLETED_TOPIC)
    assert answer["output"] == {"post": "an answer"}
    assert answer["metadata"]["tokens"] == {"input": 10, "output": 5}
    assert answer["metadata"]["costUsd"] == 0.01
    assert answer["metadata"]["attempts"] == 1
    assert [each["event"] for each in living.told(ANALYTICS_TOPIC)] == ["generation-completed"]
    assert [each["preferences"] for each in living.told(PREFERENCES_TOPIC)] == [{"tone": "warm"}]
    assert living.causes() == [("first", "ok")]
    assert living.held().ending is not None
    await living.books.close()
    assert living.held().published


@on_virtual_time
async def test_nothing_is_told_while_the_ending_is_not_saved() -> None:
    living = Living()
    finish, saving = living.ledger.finish, asyncio.Event()

    async def slowly(endings: Sequence[Ending]) -> Sequence[SaveVerdict]:
        await saving.wait()
        return await finish(endings)

    living.books._endings._flush = slowly
    taking = asyncio.create_task(living.take(asked()))
    await asyncio.sleep(30)
    assert living.provider.calls
    assert not living.topics.events
    saving.set()
    await taking
    assert living.told(COMPLETED_TOPIC)


@on_virtual_time
async def test_nothing_is_called_while_the_attempt_is_not_written() -> None:
    living = Living()
    start, writing = living.ledger.start_attempts, asyncio.Event()

    async def slowly(attempts: Sequence[AttemptStarted]) -> Sequence[bool]:
        await writing.wait()
        return await start(attempts)

    living.books._starts._flush = slowly
    taking = asyncio.create_task(living.take(asked()))
    await asyncio.sleep(30)
    assert not living.provider.calls
    writing.set()
    await taking
    assert living.provider.calls


@on_virtual_time
async def test_a_record_is_not_done_before_its_events_are_acknowledged() -> None:
    living = Living()
    living.topics.cut(losing="acknowledgements")
    taking = asyncio.create_task(living.take(asked()))
    await asyncio.sleep(100)
    assert not taking.done()
    assert living.held().ending is not None
    living.topics.heal()
    assert await taking is Handled.DONE
    assert len({event.value for event in living.events(COMPLETED_TOPIC)}) == 1
    assert len(living.provider.calls) == 1


# --- what the ledger knows of it


@on_virtual_time
async def test_a_request_that_has_its_ending_is_told_again_to_the_byte_and_not_paid_again() -> None:
    living = Living()
    await living.take(asked())
    first = list(living.topics.events)
    assert await living.take(asked(), offset=9) is Handled.DONE
    assert living.topics.events == [*first, *first]
    assert len(living.provider.calls) == 1
    assert living.heard.found_as == ["already-ended"]


@on_virtual_time
async def test_an_id_with_other_content_is_told_as_a_conflict_and_the_first_one_stands() -> None:
    living = Living()
    await living.take(asked())
    for _ in range(2):
        assert await living.take(asked(input={"topic": "snow", "platform": "x"}), offset=1) is Handled.DONE
    (answer,) = living.told(COMPLETED_TOPIC)
    assert answer["input"]["topic"] == "rain"
    first, again = living.told(FAILED_TOPIC)
    assert first == again
    assert (first["reason"], first["retryable"]) == ("conflict", False)
    assert first["metadata"]["fingerprint"]
    assert len({identity_of(event) for event in living.events(FAILED_TOPIC)}) == 1
    assert len(living.provider.calls) == 1


@on_virtual_time
async def test_the_same_id_of_another_user_is_another_request() -> None:
    living = Living()
    await living.take(asked())
    await living.take(asked(userId="u-2", input={"topic": "snow", "platform": "x"}), offset=1)
    assert [each["userId"] for each in living.told(COMPLETED_TOPIC)] == ["u-1", "u-2"]


@on_virtual_time
async def test_the_same_request_at_another_place_waits_for_its_owner_and_tells_what_that_one_said() -> None:
    living = Living()
    waiting = asyncio.Event()
    living.provider.answers = [waiting]
    first = asyncio.create_task(living.take(asked()))
    await asyncio.sleep(1)
    second = asyncio.create_task(living.take(asked(), offset=9))
    await asyncio.sleep(10)
    assert not second.done()
    waiting.set()
    assert await first is Handled.DONE
    assert await second is Handled.DONE
    assert len(living.provider.calls) == 1
    assert len({event.value for event in living.events(COMPLETED_TOPIC)}) == 1


@on_virtual_time
async def test_the_same_request_at_another_place_is_taken_over_from_an_owner_who_is_silent() -> None:
    living = Living()
    await another_owner(living)
    taking = asyncio.create_task(living.take(asked(), offset=9))
    await asyncio.sleep(TAKEOVER_SECONDS - 1)
    assert not living.provider.calls
    assert await taking is Handled.DONE
    assert living.told(COMPLETED_TOPIC)


@on_virtual_time
async def test_an_owner_that_was_overtaken_makes_no_call() -> None:
    living = Living()
    start = living.ledger.start_attempts

    async def overtaken_first(attempts: Sequence[AttemptStarted]) -> Sequence[bool]:
        await another_owner(living)
        return await start(attempts)

    living.books._starts._flush = overtaken_first
    assert await living.take(asked()) is Handled.LET_GO
    assert not living.provider.calls
    assert not living.topics.events


@on_virtual_time
async def test_an_answer_that_comes_after_the_owner_was_overtaken_is_accounted_for_and_not_told() -> None:
    living = Living()
    living.provider.answers = [waiting := asyncio.Event()]
    taking = asyncio.create_task(living.take(asked()))
    await asyncio.sleep(1)
    _, granted = await another_owner(living)
    assert [past.outcome for past in granted.past] == ["unknown"]
    waiting.set()
    assert await taking is Handled.LET_GO
    assert not living.topics.events
    assert living.causes() == [("first", "ok")]
    assert living.held().ending is None


# --- a call that was under way when its worker died


@on_virtual_time
async def test_a_call_whose_outcome_a_crash_hid_is_made_again_and_stays_in_the_books() -> None:
    living = Living()
    await a_call_was_under_way(living)
    assert await living.take(asked()) is Handled.DONE
    assert living.causes() == [("first", "unknown"), ("redelivery", "ok")]
    assert [each["metadata"]["attempts"] for each in living.told(COMPLETED_TOPIC)] == [2]


@on_virtual_time
@pytest.mark.parametrize(("default", "wish"), [("fail", None), ("retry", "fail")])
async def test_a_call_whose_outcome_a_crash_hid_is_not_made_again_where_that_is_the_wish(
    default: str, wish: str | None
) -> None:
    living = Living(on_unknown=default)  # type: ignore[arg-type]
    more = {} if wish is None else {"onUnknown": wish}
    await a_call_was_under_way(living, **more)
    assert await living.take(asked(**more)) is Handled.DONE
    (told,) = living.told(FAILED_TOPIC)
    assert (told["reason"], told["retryable"]) == ("unknown-outcome", True)
    assert not living.provider.calls


@on_virtual_time
async def test_a_request_may_ask_for_another_call_where_the_worker_would_not() -> None:
    living = Living(on_unknown="fail")
    await a_call_was_under_way(living, onUnknown="retry")
    await living.take(asked(onUnknown="retry"))
    assert living.told(COMPLETED_TOPIC)


# --- what may not be paid for


@on_virtual_time
async def test_a_request_past_its_deadline_is_expired_unpaid() -> None:
    living = Living()
    await living.take(asked(deadline=living.in_seconds(-1)))
    (told,) = living.told(FAILED_TOPIC)
    assert told["reason"] == "expired"
    assert living.held().ending is not None
    assert living.held().ending[0] == "expired"  # type: ignore[index]
    assert not living.provider.calls


@on_virtual_time
async def test_a_type_that_is_switched_off_is_rejected_and_says_by_what() -> None:
    living = Living(switched_on=())
    await living.take(asked())
    (told,) = living.told(FAILED_TOPIC)
    assert (told["reason"], told["retryable"]) == ("rejected", False)
    assert "FEATURE_CONTENT_GENERATION" in told["detail"]
    assert not living.provider.calls


@on_virtual_time
async def test_a_provider_that_is_not_set_up_is_told_with_those_that_are() -> None:
    living = Living()
    await living.take(asked(options={"provider": "acme"}))
    (told,) = living.told(FAILED_TOPIC)
    assert told["reason"] == "rejected"
    assert "openai" in told["detail"]


@on_virtual_time
async def test_a_wish_to_cancel_ends_a_request_before_and_during_its_call() -> None:
    living = Living()
    request = live_request(living)
    living.wishes.add(request.key, living.clock.now())
    await living.take(asked())
    assert [each["reason"] for each in living.told(FAILED_TOPIC)] == ["cancelled"]
    assert not living.provider.calls
    living.provider.answers = [asyncio.Event()]
    taking = asyncio.create_task(living.take(asked(requestId="r-2"), offset=1))
    await asyncio.sleep(1)
    living.wishes.add(live_request(living, value=asked(requestId="r-2")).key, living.clock.now())
    assert await taking is Handled.DONE
    assert living.causes() == [("first", "cancelled")]
    assert [each["reason"] for each in living.told(FAILED_TOPIC)] == ["cancelled", "cancelled"]


# --- what the provider says


@on_virtual_time
@pytest.mark.parametrize(
    "error", [Throttled("slow down"), Overloaded("busy"), ServerError("oh"), Cut("gone"), TimedOut("late")]
)
async def test_what_may_pass_is_tried_again(error: Exception) -> None:
    living = Living()
    living.provider.answers = [error]
    await living.take(asked())
    assert [cause for cause, _ in living.causes()] == ["first", "retry"]
    assert living.told(COMPLETED_TOPIC)


@on_virtual_time
@pytest.mark.parametrize("error", [Refused("no"), OutOfCredit("empty")])
async def test_what_cannot_succeed_is_not_tried_again(error: Exception) -> None:
    living = Living()
    living.provider.answers = [error]
    await living.take(asked())
    (told,) = living.told(FAILED_TOPIC)
    assert told["reason"] == "provider"
    assert len(living.provider.calls) == 1


@on_virtual_time
async def test_calls_that_may_be_billed_are_few_and_those_that_are_not_are_more() -> None:
    living = Living()
    living.provider.answers = [Cut("gone") for _ in range(10)]
    await living.take(asked())
    assert len(living.provider.calls) == 3
    living.provider.calls.clear()
    living.provider.answers = [Overloaded("busy") for _ in range(10)]
    await living.take(asked(requestId="r-2"), offset=1)
    assert len(living.provider.calls) == 5


@on_virtual_time
async def test_a_restart_does_not_begin_the_count_again() -> None:
    living = Living()
    await a_call_was_under_way(living)
    living.provider.answers = [Cut("gone") for _ in range(10)]
    await living.take(asked())
    assert living.causes() == [("first", "unknown"), ("redelivery", "cut"), ("retry", "cut")]


@on_virtual_time
async def test_the_provider_is_not_called_before_it_wants_to_be() -> None:
    living = Living()
    living.provider.answers = [Throttled("slow down", retry_after=42)]
    await living.take(asked())
    assert asyncio.get_running_loop().time() >= 42


@on_virtual_time
async def test_a_try_that_could_not_begin_before_the_deadline_is_not_waited_for() -> None:
    living = Living()
    living.provider.answers = [Throttled("slow down", retry_after=42)]
    await living.take(asked(deadline=living.in_seconds(10)))
    (told,) = living.told(FAILED_TOPIC)
    assert told["reason"] == "expired"
    assert asyncio.get_running_loop().time() < 10


@on_virtual_time
async def test_a_call_is_given_what_is_left_of_the_requests_time() -> None:
    living = Living()
    await living.take(asked(deadline=living.in_seconds(4)))
    assert living.provider.calls[0].timeout == pytest.approx(4, abs=0.1)


@on_virtual_time
async def test_an_answer_of_no_use_is_asked_for_once_more_and_both_are_paid() -> None:
    living = Living()
    living.provider.answers = ["", "better"]
    await living.take(asked())
    assert living.causes() == [("first", "ok"), ("repair", "ok")]
    assert len(living.provider.calls[1].prompt.turns) > len(living.provider.calls[0].prompt.turns)
    assert [each["output"] for each in living.told(COMPLETED_TOPIC)] == [{"post": "better"}]


@on_virtual_time
async def test_an_answer_of_no_use_twice_is_the_end_of_it() -> None:
    living = Living()
    living.provider.answers = ["", ""]
    await living.take(asked())
    (told,) = living.told(FAILED_TOPIC)
    assert (told["reason"], told["retryable"]) == ("output", True)
    assert len(living.provider.calls) == 2
