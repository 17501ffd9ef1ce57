"""Faust's transport for Kafka: hands a record on without making tasks for it, and commits what it is told to."""

from collections.abc import Coroutine, Generator, Mapping
from inspect import iscoroutine
from types import coroutine
from typing import Any

from faust.transport.drivers import aiokafka
from faust.types import TP
from mode.services import Service, WaitResults


class Eager(Service):
    """A service that runs what it waits for to its first pause before it makes a task of it.

    Faust hands each record to its streams in a race against "the flow is suspended", "stopped" and "crashed": four
    tasks a record, where handing it over is one call that pauses only when a stream's buffer is full. Here the race
    begins where there is something to wait for; what wins it, and what is let go, is as in `mode`.
    """

    async def wait_first(self, *coros: Any, timeout: Any = None) -> WaitResults:  # noqa: ASYNC109 - as mode calls it
        """As `mode.Service.wait_first`; the first of `coros` alone where it ends without a pause."""
        first, *others = coros
        if not iscoroutine(first):
            return await super().wait_first(*coros, timeout=timeout)
        try:
            paused = first.send(None)
        except StopIteration as end:
            _closed(others)
            return WaitResults([first], [end.value], False)
        except BaseException:
            _closed(others)
            raise
        return await super().wait_first(_resumed(first, paused), *others, timeout=timeout)


class Transport(aiokafka.Transport):
    """Faust's transport with that consumer."""

    class Consumer(Eager, aiokafka.Consumer):
        """Faust's consumer, eager, and told what to commit.

        What Faust works out from acknowledgements runs ahead over records that it has left out, and comes to a stand
        where some of them are handed out again.
        """

        async def commit_kept(self, offsets: Mapping[TP, int]) -> None:
            """Commit the next offset to read of each partition; those that have moved are left to others."""
            behind = {tp: offset for tp, offset in offsets.items() if offset != self._committed_offset[tp]}
            if behind and await self._commit(behind):
                self._committed_offset.update(behind)


async def _resumed(begun: Coroutine[Any, Any, Any], paused: Any) -> Any:
    return await _rest(begun, paused)


@coroutine
def _rest(begun: Coroutine[Any, Any, Any], paused: Any) -> Generator[Any, Any, Any]:
    """What is left of a coroutine that has paused for `paused`."""
    while True:
        try:
            yield paused
        except BaseException as error:  # noqa: BLE001 - it is the coroutine's, to take or to raise
            try:
                paused = begun.throw(error)
            except StopIteration as end:
                return end.value
        else:
            return (yield from begun)


def _closed(waitables: list[Any]) -> None:
    for each in waitables:
        if iscoroutine(each):
            each.close()
