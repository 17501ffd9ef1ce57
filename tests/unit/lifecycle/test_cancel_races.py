"""Cancelling races answering: whichever comes first, there is one ending, and every attempt has its end.

CANCEL_RACES=N runs so many.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TypeVar

from tests.unit.lifecycle.living import Living, asked
from tests.unit.virtually import on_virtual_time

from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_schemas.identity import request_key
from fanzgpt_workers.errors import ServerError
from fanzgpt_workers.records import Handled

RACES = int(os.environ.get("CANCEL_RACES", "2000"))

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def slowly(
    flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], random: Random
) -> Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]]:
    """A statement that takes its time, before it is done and after."""

    async def slow(items: Sequence[Item]) -> Sequence[Answer]:
        await asyncio.sleep(random.choice((0, 0.1, 0.2)))
        answers = await flush(items)
        await asyncio.sleep(random.choice((0, 0.1, 0.2)))
        return answers

    return slow


async def race(seed: int) -> str:
    """One request and one wish; how it ended."""
    random, living = Random(seed), Living()
    for batcher in (living.books._starts, living.books._endings, living.books._settlements):
        batcher._flush = slowly(batcher._flush, random)
    if random.random() < 0.3:
        living.provider.answers.append(ServerError("500"))
    answering = asyncio.Event()
    living.provider.answers.append(answering)
    loop = asyncio.get_running_loop()
    loop.call_later(random.choice((0.2, 0.4, 0.6)), answering.set)
    key, wished_at = request_key("u-1", "r-1"), random.choice((0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8))
    for _ in range(random.choice((1, 2))):
        loop.call_later(wished_at, lambda: living.wishes.add(key, living.clock.now()))
    assert await living.take(asked()) is Handled.DONE
    await living.books.close(within=60)
    endings = [*living.told(COMPLETED_TOPIC), *living.told(FAILED_TOPIC)]
    assert len(endings) == 1
    assert len(living.provider.calls) <= len(living.attempts())
    for held in living.attempts():
        assert held.ended is not None, seed
        never_sent = held.ended.detail == "cancelled before it was sent"
        assert (held.ended.price is not None) == (held.ended.outcome == "ok" or never_sent)
    return str(endings[0].get("reason", "completed"))


@on_virtual_time
async def test_a_wish_and_an_answer_at_the_same_time_make_one_ending_and_leave_no_attempt_open() -> None:
    ended = Counter([await race(seed) for seed in range(RACES)])
    assert set(ended) == {"completed", "cancelled"}
    assert min(ended.values()) > RACES / 20
