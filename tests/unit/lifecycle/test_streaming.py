"""Answers that are shown while they are made: the same endings, and money that is a guess is marked as one."""

import asyncio
from decimal import Decimal
from uuid import UUID

from tests.unit.lifecycle.living import Living, asked
from tests.unit.virtually import on_virtual_time

from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_schemas.identity import request_key
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.errors import Cut
from fanzgpt_workers.lifecycle.calling import ESTIMATED
from fanzgpt_workers.ports import Growing, Prompt


class Page:
    """Remembers every answer that began, and its pieces."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, list[str]]] = []

    def begin(self, request_key: UUID, request: GenerationRequested, prompt: Prompt, *, attempt: int) -> Growing | None:
        if not request.stream:
            return None
        self.answers.append((attempt, []))
        return _Pieces(self.answers[-1][1])


class _Pieces:
    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces

    @property
    def characters(self) -> int:
        return sum(map(len, self._pieces))

    def add(self, piece: str) -> None:
        self._pieces.append(piece)


@on_virtual_time
async def test_a_request_is_streamed_where_it_asks_for_it_alone() -> None:
    page = Page()
    living = Living(partials=page)
    living.provider.says_first = "an"
    await living.take(asked(stream=True))
    await living.take(asked(requestId="r-2"), offset=1)
    assert [call.grown is not None for call in living.provider.calls] == [True, False]
    assert page.answers == [(1, ["an"])]
    assert len(living.told(COMPLETED_TOPIC)) == 2


@on_virtual_time
async def test_a_stream_that_is_cut_is_no_answer_begins_again_and_costs_an_estimate() -> None:
    page = Page()
    living = Living(partials=page)
    living.provider.says_first = "eight ch"
    living.provider.answers = [Cut("the stream ended"), "an answer"]
    await living.take(asked(stream=True))
    assert [attempt for attempt, _ in page.answers] == [1, 2]
    cut, answered = (held.ended for held in living.attempts())
    assert cut is not None
    assert answered is not None
    assert (cut.outcome, answered.outcome) == ("cut", "ok")
    assert cut.usage is not None
    assert cut.usage.output == 2
    assert cut.usage.input > 10
    assert cut.price is not None
    assert cut.price.usd == Decimal("0.01")
    assert ESTIMATED in str(cut.detail)
    assert ESTIMATED not in str(answered.detail)


@on_virtual_time
async def test_a_stream_of_which_nothing_came_costs_nothing_that_is_known() -> None:
    living = Living(partials=Page())
    living.provider.answers = [Cut("the stream ended")] * 3
    await living.take(asked(stream=True))
    assert [held.ended.usage for held in living.attempts() if held.ended] == [None] * 3
    assert living.told(COMPLETED_TOPIC) == []


@on_virtual_time
async def test_a_stream_that_is_called_off_costs_an_estimate() -> None:
    living = Living(partials=Page())
    living.provider.says_first = "half of it"
    living.provider.answers = [asyncio.Event()]
    taking = asyncio.create_task(living.take(asked(stream=True)))
    await asyncio.sleep(1)
    living.wishes.add(request_key("u-1", "r-1"), living.clock.now())
    await taking
    (held,) = living.attempts()
    assert held.ended is not None
    assert (held.ended.outcome, held.ended.detail) == ("cancelled", ESTIMATED)
    assert held.ended.usage is not None
    assert held.ended.usage.output == 3
    assert [told["reason"] for told in living.told(FAILED_TOPIC)] == ["cancelled"]
