"""An answer that its worker did not live to hear is fetched where its provider keeps it, and not paid for again."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import UUID

import pytest
from tests.unit.lifecycle.living import Living, a_call_was_under_way, asked
from tests.unit.virtually import on_virtual_time

from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_workers.core.attempts import Usage
from fanzgpt_workers.errors import ServerError, Unauthorized
from fanzgpt_workers.lifecycle.fetching import PATIENCE
from fanzgpt_workers.ports import Completion
from fanzgpt_workers.records import Handled


def kept(text: str = "it was kept") -> Completion:
    usage = Usage(input=70, output=30)
    return Completion(text=text, model="m-kept", response_id="kept-1", finish_reason="stop", usage=usage)


class Keeps:
    """What a provider keeps: nothing, or one answer from some second on; or it says why it does not tell."""

    name = "openai"

    def __init__(self, answer: Completion | None = None, *, after: float = 0.0, says: Exception | None = None) -> None:
        self.asked_for: list[UUID] = []
        self._answer, self._after, self._says = answer, after, says
        self._begin = asyncio.get_running_loop().time()

    async def find(self, attempt_id: UUID, *, model: str) -> Completion | None:
        assert model == "m"
        self.asked_for.append(attempt_id)
        if asyncio.get_running_loop().time() - self._begin < self._after:
            if self._says is not None:
                raise self._says
            return None
        return self._answer

    async def aclose(self) -> None: ...


@on_virtual_time
@pytest.mark.parametrize("on_unknown", ["retry", "fail"])
async def test_it_ends_the_request_without_a_call_whatever_else_would_follow(on_unknown: str) -> None:
    living = Living(stored=(keeps := Keeps(kept())), on_unknown=on_unknown)  # type: ignore[arg-type]  # one of the two
    attempt_id = await a_call_was_under_way(living)
    assert await living.take(asked()) is Handled.DONE
    assert (keeps.asked_for, living.provider.calls) == ([attempt_id], [])
    (told,) = living.told(COMPLETED_TOPIC)
    assert told["output"] == {"post": "it was kept"}
    metadata = told["metadata"]
    assert (metadata["provider"], metadata["model"], metadata["attempts"]) == ("openai", "m-kept", 1)
    assert (metadata["tokens"]["input"], metadata["tokens"]["output"], metadata["costUsd"]) == (70, 30, 0.01)
    (held,) = living.attempts()
    assert held.ended is not None
    assert held.ended.price is not None
    assert (held.ended.outcome, held.ended.response_id, held.ended.price.usd) == ("ok", "kept-1", Decimal("0.01"))
    assert living.heard.found_as == ["fetched"]


@on_virtual_time
@pytest.mark.parametrize("says", [None, ServerError("busy", status=500)], ids=["not-there-yet", "away"])
async def test_one_that_is_still_under_way_or_not_told_at_once_is_looked_for_again(says: Exception | None) -> None:
    living = Living(stored=Keeps(kept(), after=PATIENCE.total_seconds() - 2.5, says=says))
    await a_call_was_under_way(living)
    assert await living.take(asked()) is Handled.DONE
    assert not living.provider.calls
    assert living.told(COMPLETED_TOPIC)


@on_virtual_time
@pytest.mark.parametrize(
    ("says", "found"),
    [(None, "not there"), (ServerError("busy", status=500), "server-error")],
    ids=["not-there", "away"],
)
async def test_one_that_is_not_found_in_time_is_called_for_again(says: Exception | None, found: str) -> None:
    living = Living(stored=(keeps := Keeps(after=3_600, says=says)))
    began = living.clock.now()
    await a_call_was_under_way(living)
    assert await living.take(asked()) is Handled.DONE
    assert living.causes() == [("first", "unknown"), ("redelivery", "ok")]
    assert PATIENCE <= living.clock.now() - began < 1.5 * PATIENCE
    assert len(keeps.asked_for) > 3
    assert living.heard.found_as == [found]


@on_virtual_time
async def test_an_old_one_is_looked_for_once() -> None:
    living = Living(stored=(keeps := Keeps()))
    await a_call_was_under_way(living)
    await asyncio.sleep(PATIENCE.total_seconds())
    await living.take(asked())
    assert len(keeps.asked_for) == 1


@on_virtual_time
async def test_a_provider_that_will_never_tell_is_asked_once() -> None:
    living = Living(stored=(keeps := Keeps(after=3_600, says=Unauthorized("no", status=401))))
    await a_call_was_under_way(living)
    await living.take(asked())
    assert (len(keeps.asked_for), len(living.provider.calls)) == (1, 1)


@on_virtual_time
async def test_where_it_is_not_found_the_wish_not_to_call_again_holds() -> None:
    living = Living(stored=Keeps(), on_unknown="fail")
    await a_call_was_under_way(living)
    await living.take(asked())
    (told,) = living.told(FAILED_TOPIC)
    assert (told["reason"], told["retryable"]) == ("unknown-outcome", True)
    assert not living.provider.calls


@on_virtual_time
@pytest.mark.parametrize("on_unknown", ["retry", "fail"])
async def test_one_that_cannot_be_used_is_paid_for_and_known_and_another_is_called_for(on_unknown: str) -> None:
    living = Living(stored=Keeps(kept("")), on_unknown=on_unknown)  # type: ignore[arg-type]  # one of the two
    await a_call_was_under_way(living)
    await living.take(asked())
    assert living.causes() == [("first", "ok"), ("redelivery", "ok")]
    assert living.attempts()[0].ended.price.usd == Decimal("0.01")  # type: ignore[union-attr]  # it has ended
    assert living.told(COMPLETED_TOPIC)


@on_virtual_time
async def test_a_drain_does_not_wait_for_it() -> None:
    living = Living(stored=Keeps())
    await a_call_was_under_way(living)
    taking = asyncio.create_task(living.take(asked()))
    await asyncio.sleep(1)
    living.answering.let_go()
    assert await taking is Handled.LET_GO
    assert living.held().ending is None
    assert not living.topics.events


@on_virtual_time
@pytest.mark.parametrize(
    "ends", [lambda living: living.take(asked()), lambda living: living.take(asked(requestId="another"))]
)
async def test_nothing_is_looked_for_where_nothing_was_lost(ends: Callable[[Living], Awaitable[Handled]]) -> None:
    living = Living(stored=(keeps := Keeps(kept())))
    living.provider.answers = [ServerError("once", status=500), "then"]
    assert await ends(living) is Handled.DONE
    assert not keeps.asked_for
