"""Named points between the durable steps of a request at which a process may be told to die, to test the promises.

`FANZGPT_CRASH_AT=after-save:3` ends the process with SIGKILL as it passes `after-save` for the third time, and says so
on stderr first: a run whose point was never passed shows nothing. Unset, nothing is wrapped and nothing is counted.
Steps are batches: one claim, save or commit may be that of many requests.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, Protocol, TypeVar, cast
from uuid import UUID

from aiokafka import AIOKafkaConsumer

from fanzgpt_schemas.codec import Encoded
from fanzgpt_schemas.events import DEAD_LETTER_TOPIC
from fanzgpt_workers.batches.ports import BatchApi, BatchStore
from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted
from fanzgpt_workers.core.budgets import OverBudget
from fanzgpt_workers.core.claims import Claim, Verdict
from fanzgpt_workers.core.endings import Ending, SaveVerdict
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.ports import Completion, Ledger, Provider, ProviderCall, Publisher
from fanzgpt_workers.settings.process import CrashPoint
from fanzgpt_workers.sink_ports import Advance, SinkStore

MID_CALL_SECONDS: Final = 0.05
"""From the beginning of a call to the death in the middle of it: the provider must take longer."""
MID_STATEMENT_SECONDS: Final = 0.002

Row = TypeVar("Row")


class Points(Protocol):
    """What a process passes through the composition root: itself, or itself with a way to die."""

    def consumer(self, consumer: AIOKafkaConsumer) -> AIOKafkaConsumer:
        """The consumer of a loop."""
        ...

    def ledger(self, ledger: Ledger) -> Ledger:
        """The ledger."""
        ...

    def provider(self, provider: Provider) -> Provider:
        """One provider."""
        ...

    def publisher(self, publisher: Publisher) -> Publisher:
        """The way onto the topics."""
        ...

    def store(self, store: SinkStore[Row]) -> SinkStore[Row]:
        """The store of a sink."""
        ...

    def batch_store(self, store: BatchStore) -> BatchStore:
        """Who waits for a batch."""
        ...

    def batch_api(self, api: BatchApi) -> BatchApi:
        """One provider's batches."""
        ...

    def redriven(self) -> None:
        """A dead letter's record is acknowledged on its topic, and nobody has noted it yet."""
        ...


def crash_points(crash_at: str | None, *, die: Callable[[str], NoReturn] | None = None) -> Points:
    """What the setting FANZGPT_CRASH_AT asks for (`after-save:3`); `die` instead of SIGKILL is for tests."""
    if crash_at is None:
        return _Unharmed()
    point, _, nth = crash_at.partition(":")
    return _Doomed(_Passings(cast("CrashPoint", point), int(nth or 1), die or _killed))


class _Unharmed:
    def consumer(self, consumer: AIOKafkaConsumer) -> AIOKafkaConsumer:
        return consumer

    def ledger(self, ledger: Ledger) -> Ledger:
        return ledger

    def provider(self, provider: Provider) -> Provider:
        return provider

    def publisher(self, publisher: Publisher) -> Publisher:
        return publisher

    def store(self, store: SinkStore[Row]) -> SinkStore[Row]:
        return store

    def batch_store(self, store: BatchStore) -> BatchStore:
        return store

    def batch_api(self, api: BatchApi) -> BatchApi:
        return api

    def redriven(self) -> None:
        return


class _Passings:
    """Counts the passings of one point, and dies at the one it was told."""

    def __init__(self, point: CrashPoint, nth: int, die: Callable[[str], NoReturn]) -> None:
        self._point = point
        self._left = nth
        self._die = die

    def is_last(self, point: CrashPoint) -> bool:
        """Whether the process dies at this passing."""
        if point == self._point:
            self._left -= 1
            return self._left == 0
        return False

    def passed(self, point: CrashPoint) -> None:
        """Die, if it is the point and the passing."""
        if self.is_last(point):
            self.end()

    def soon(self, point: CrashPoint, seconds: float) -> None:
        """The same, so long after what begins now."""
        if self.is_last(point):
            asyncio.get_running_loop().call_later(seconds, self.end)

    def end(self) -> None:
        self._die(self._point)


def _killed(point: str) -> NoReturn:
    os.write(2, f"crash point {point}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process that was killed goes on")


class _Doomed:
    def __init__(self, passings: _Passings) -> None:
        self._passings = passings

    def consumer(self, consumer: AIOKafkaConsumer) -> AIOKafkaConsumer:
        return _Consumer(consumer, self._passings)

    def ledger(self, ledger: Ledger) -> Ledger:
        return _Ledger(ledger, self._passings)

    def provider(self, provider: Provider) -> Provider:
        return _Provider(provider, self._passings)

    def publisher(self, publisher: Publisher) -> Publisher:
        return _Publisher(publisher, self._passings)

    def store(self, store: SinkStore[Row]) -> SinkStore[Row]:
        return _Store(store, self._passings)

    def batch_store(self, store: BatchStore) -> BatchStore:
        return cast(
            "BatchStore",
            _After(
                store,
                self._passings,
                {"hold": "after-hold", "form": "after-form", "created": "after-created-noted", "drop": "after-drop"},
            ),
        )

    def batch_api(self, api: BatchApi) -> BatchApi:
        return cast("BatchApi", _After(api, self._passings, {"create": "after-create", "find": "after-find"}))

    def redriven(self) -> None:
        self._passings.passed("after-redrive")


class _After:
    """Something else in everything, but that the process may die after some of its methods."""

    def __init__(self, inner: object, passings: _Passings, points: Mapping[str, CrashPoint]) -> None:
        self._inner = inner
        self._passings = passings
        self._points = points

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        point = self._points.get(name)
        if point is None:
            return method

        async def passed(*arguments: Any, **named: Any) -> Any:
            answer = await method(*arguments, **named)
            if answer or point != "after-form":  # nothing was formed
                self._passings.passed(point)
            return answer

        return passed


class _Consumer:
    """A consumer in everything else."""

    def __init__(self, consumer: AIOKafkaConsumer, passings: _Passings) -> None:
        self._consumer = consumer
        self._passings = passings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    async def getmany(self, *partitions: Any, **options: Any) -> Any:
        batches = await self._consumer.getmany(*partitions, **options)
        if batches:
            self._passings.passed("after-fetch")
        return batches

    async def commit(self, offsets: Any) -> None:
        self._passings.passed("before-commit")
        await self._consumer.commit(offsets)
        self._passings.passed("after-commit")


class _Ledger:
    def __init__(self, ledger: Ledger, passings: _Passings) -> None:
        self._ledger = ledger
        self._passings = passings

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Verdict]:
        verdicts = await self._ledger.claim(claims)
        self._passings.passed("after-claim")
        return verdicts

    async def start_attempts(self, attempts: Sequence[AttemptStarted]) -> Sequence[bool | OverBudget]:
        started = await self._ledger.start_attempts(attempts)
        self._passings.passed("after-attempt")
        return started

    async def settle(self, ended: Sequence[AttemptEnded]) -> None:
        await self._ledger.settle(ended)
        self._passings.passed("after-settle")

    async def finish(self, endings: Sequence[Ending]) -> Sequence[SaveVerdict]:
        self._passings.soon("mid-save", MID_STATEMENT_SECONDS)
        verdicts = await self._ledger.finish(endings)
        self._passings.passed("after-save")
        return verdicts

    async def mark_published(self, request_keys: Sequence[UUID]) -> None:
        await self._ledger.mark_published(request_keys)
        self._passings.passed("after-mark")


class _Provider:
    def __init__(self, provider: Provider, passings: _Passings) -> None:
        self._provider = provider
        self._passings = passings

    @property
    def name(self) -> str:
        return self._provider.name

    async def complete(self, call: ProviderCall) -> Completion:
        self._passings.soon("mid-call", MID_CALL_SECONDS)
        completion = await self._provider.complete(call)
        self._passings.passed("after-answer")
        return completion

    async def aclose(self) -> None:
        await self._provider.aclose()


class _Publisher:
    def __init__(self, publisher: Publisher, passings: _Passings) -> None:
        self._publisher = publisher
        self._passings = passings

    async def publish(self, events: Sequence[Encoded]) -> None:
        is_letter = any(event.topic == DEAD_LETTER_TOPIC for event in events)
        if not is_letter and self._passings.is_last("after-first-publish"):
            await self._publisher.publish(events[:1])
            self._passings.end()
        await self._publisher.publish(events)
        self._passings.passed("after-letter" if is_letter else "after-publish")


class _Store:
    def __init__(self, store: SinkStore[Row], passings: _Passings) -> None:
        self._store: SinkStore[Any] = store
        self._passings = passings

    async def next_offsets(self, partitions: Sequence[Partition]) -> Any:
        return await self._store.next_offsets(partitions)

    async def store(self, rows: Sequence[Any], advances: Sequence[Advance]) -> int:
        self._passings.soon("mid-store", MID_STATEMENT_SECONDS)
        new = await self._store.store(rows, advances)
        self._passings.passed("after-store")
        return new
