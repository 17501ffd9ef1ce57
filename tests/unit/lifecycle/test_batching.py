"""Many callers, few statements."""

import asyncio
from collections.abc import Sequence

import pytest

from fanzgpt_workers.errors import DatabaseUnavailable, Unavailable
from fanzgpt_workers.lifecycle.batching import Batcher


class Server:
    """Doubles numbers, when it is up; remembers each flush; cannot take negative numbers."""

    def __init__(self) -> None:
        self.flushes: list[list[int]] = []
        self.up = asyncio.Event()
        self.up.set()
        self.refusing = 0

    async def double(self, items: Sequence[int]) -> Sequence[int]:
        self.flushes.append(list(items))
        await self.up.wait()
        if self.refusing:
            self.refusing -= 1
            raise DatabaseUnavailable("PostgreSQL at 127.0.0.1:1 does not answer")
        if any(item < 0 for item in items):
            raise ValueError("negative")
        return [2 * item for item in items]


def batcher(server: Server, *, limit: int = 256, away: list[Unavailable] | None = None) -> Batcher[int, int]:
    return Batcher(server.double, limit=limit, away=(away if away is not None else []).append)


async def test_what_is_submitted_in_one_turn_of_the_loop_is_one_flush() -> None:
    server = Server()
    gathered = batcher(server)
    answers = await asyncio.gather(*(gathered.submit(n) for n in range(100)))
    assert answers == [2 * n for n in range(100)]
    assert server.flushes == [list(range(100))]


async def test_what_arrives_during_a_flush_is_the_next_flush() -> None:
    server = Server()
    gathered = batcher(server)
    server.up.clear()
    first = gathered.submit(1)
    while not server.flushes:
        await asyncio.sleep(0)
    later = [gathered.submit(n) for n in (2, 3, 4)]
    server.up.set()
    assert [await first, *(await asyncio.gather(*later))] == [2, 4, 6, 8]
    assert server.flushes == [[1], [2, 3, 4]]


async def test_a_flush_never_exceeds_its_limit_and_keeps_the_order() -> None:
    server = Server()
    gathered = batcher(server, limit=3)
    await asyncio.gather(*(gathered.submit(n) for n in range(8)))
    assert server.flushes == [[0, 1, 2], [3, 4, 5], [6, 7]]


async def test_while_the_server_is_away_the_batch_is_repeated_and_nobody_is_answered() -> None:
    server, away = Server(), list[Unavailable]()
    gathered = batcher(server, away=away)
    server.refusing = 2
    assert await asyncio.gather(gathered.submit(1), gathered.submit(2)) == [2, 4]
    assert server.flushes == [[1, 2]] * 3
    assert len(away) == 2


async def test_an_error_about_the_data_reaches_the_caller_whose_item_it_is_and_no_other() -> None:
    gathered = batcher(Server())
    answers = await asyncio.gather(*(gathered.submit(n) for n in (1, 2, -3, 4, 5)), return_exceptions=True)
    assert [a for a in answers if not isinstance(a, BaseException)] == [2, 4, 8, 10]
    assert isinstance(answers[2], ValueError)


async def test_a_caller_that_gives_up_disturbs_nobody() -> None:
    server = Server()
    gathered = batcher(server)
    impatient, patient = gathered.submit(1), gathered.submit(2)
    impatient.cancel()
    assert await patient == 4
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_what_is_only_done_while_it_is_wanted_is_left_out_of_the_next_try_when_its_caller_has_gone() -> None:
    server = Server()
    server.refusing = 1
    gathered = Batcher(server.double, away=lambda _: None, while_wanted=True)
    gone, stays = gathered.submit(1), gathered.submit(2)
    while not server.flushes:
        await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 4
    assert server.flushes == [[1, 2], [2]]


async def test_a_batch_that_nobody_wants_any_more_is_not_tried_again() -> None:
    server = Server()
    server.refusing = 1
    gathered = Batcher(server.double, away=lambda _: None, while_wanted=True)
    gone = gathered.submit(1)
    while not server.flushes:
        await asyncio.sleep(0)
    gone.cancel()
    await gathered.settle()
    assert server.flushes == [[1]]


async def test_settling_waits_for_everything_submitted() -> None:
    server = Server()
    gathered = batcher(server, limit=2)
    futures = [gathered.submit(n) for n in range(5)]
    await gathered.settle()
    assert all(future.done() for future in futures)
    assert gathered.waiting == 0
