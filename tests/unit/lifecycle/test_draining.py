"""What a drain ends, and what it waits for."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.unit.lifecycle.living import Living, another_owner, asked
from tests.unit.virtually import on_virtual_time

from fanzgpt_schemas.events import COMPLETED_TOPIC
from fanzgpt_workers.core.claims import Claim, Verdict
from fanzgpt_workers.errors import Cut, DatabaseUnavailable, Throttled
from fanzgpt_workers.records import Handled


@on_virtual_time
async def test_who_waits_for_another_try_leaves_when_a_drain_begins() -> None:
    living = Living()
    living.provider.answers = [Throttled("slow down", retry_after=100)]
    taking = asyncio.create_task(living.take(asked()))
    await asyncio.sleep(1)
    living.answering.let_go()
    assert await taking is Handled.LET_GO
    assert asyncio.get_running_loop().time() < 2
    assert living.causes() == [("first", "throttled")]
    assert living.held().ending is None
    assert await living.take(asked()) is Handled.DONE
    assert living.causes() == [("first", "throttled"), ("redelivery", "ok")]


@on_virtual_time
async def test_who_waits_for_the_owner_of_the_same_request_leaves_when_a_drain_begins() -> None:
    living = Living()
    await another_owner(living)
    taking = asyncio.create_task(living.take(asked(), offset=9))
    await asyncio.sleep(1)
    living.answering.let_go()
    assert await taking is Handled.LET_GO
    assert asyncio.get_running_loop().time() < 2


@on_virtual_time
async def test_who_waits_for_a_ledger_that_is_away_leaves_when_a_drain_begins_and_claims_nothing_later() -> None:
    living = Living()
    claim, asked_of_it = living.ledger.claim, 0

    async def away(claims: Sequence[Claim]) -> Sequence[Verdict]:
        nonlocal asked_of_it
        asked_of_it += len(claims)
        if asyncio.get_running_loop().time() < 60:
            raise DatabaseUnavailable("PostgreSQL at 127.0.0.1:1 does not answer")
        return await claim(claims)

    living.books._claims._flush = away
    taking = asyncio.create_task(living.take(asked()))
    await asyncio.sleep(1)
    living.answering.let_go()
    assert await taking is Handled.LET_GO
    said = asked_of_it
    await asyncio.sleep(100)
    assert asked_of_it == said
    assert not living.ledger.requests


@on_virtual_time
@pytest.mark.parametrize("answer", ["good", "bad"])
async def test_a_call_under_way_when_a_drain_begins_is_heard_out_and_not_tried_again(answer: str) -> None:
    living = Living()
    answering = asyncio.Event()
    living.provider.answers = [answering]
    taking = asyncio.create_task(living.take(asked()))
    await asyncio.sleep(1)
    living.answering.let_go()
    await asyncio.sleep(60)
    assert not taking.done()
    if answer == "bad":
        living.provider.answers = []
        living.provider.fails_late = Cut("gone")
    answering.set()
    assert await taking is (Handled.DONE if answer == "good" else Handled.LET_GO)
    assert len(living.provider.calls) == 1
    assert bool(living.told(COMPLETED_TOPIC)) == (answer == "good")
