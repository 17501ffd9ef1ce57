"""A history sink whose broker is in a test's hands, over a store in memory that can be away."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from aiokafka import TopicPartition
from tests.simulation.clock import BEGIN, VirtualClock, VirtualLoop
from tests.unit.engine.driven import HandConsumer

from fanzgpt_producers.memory import MemoryPublisher
from fanzgpt_schemas.codec import encode
from fanzgpt_schemas.events import COMPLETED_TOPIC, DEAD_LETTER_TOPIC
from fanzgpt_schemas.generation import GenerationCompleted, GenerationMetadata
from fanzgpt_schemas.identity import user_key
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import DatabaseUnavailable, Fenced
from fanzgpt_workers.publishing.dead_letters import DeadLetters
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.records import Record
from fanzgpt_workers.sink_ports import Advance, HistoryRow, SinkStore
from fanzgpt_workers.sinks.loop import Sink
from fanzgpt_workers.sinks.rows import history_row
from fanzgpt_workers.stores.memory_sink_store import memory_history_store
from fanzgpt_workers.stores.memory_tables import MemoryTables
from fanzgpt_workers.stores.sink_rows import UnknownUsers

P0, P1 = TopicPartition(COMPLETED_TOPIC, 0), TopicPartition(COMPLETED_TOPIC, 1)
GROUP = "history"


class FarStore:
    """The store over a network that can lose statements, or the answers to them."""

    def __init__(self, store: SinkStore[HistoryRow]) -> None:
        self.losing: str | None = None
        self.batches: list[int] = []
        self._store = store

    async def next_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        await self._pass("statements")
        return await self._store.next_offsets(partitions)

    async def store(self, rows: Sequence[HistoryRow], advances: Sequence[Advance]) -> int:
        await self._pass("statements")
        new = await self._store.store(rows, advances)
        self.batches.append(len(rows))
        await self._pass("answers")
        return new

    async def _pass(self, what: str) -> None:
        await asyncio.sleep(0.01)
        if self.losing == what:
            raise DatabaseUnavailable(f"the {what} are lost")


class Told:
    """What the sink tells."""

    def __init__(self) -> None:
        self.new: list[int] = []
        self.refused_for: list[str] = []
        self.absences = 0
        self.fences = 0

    def consumed(self, topic: str, records: int) -> None: ...

    def stored(self, *, rows: int, new: int, seconds: float) -> None:
        self.new.append(new)

    def refused(self, record: Record, reason: str) -> None:
        self.refused_for.append(reason)

    def away(self, error: Exception) -> None:
        self.absences += 1

    def fenced(self, error: Fenced) -> None:
        self.fences += 1

    def rebalanced(self, *, assigned: int, revoked: int) -> None: ...


class Storing:
    """One sink, running, on tables that others may share."""

    def __init__(self, tables: MemoryTables | None = None, *, unknown_users: UnknownUsers = "create") -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.tables = tables or MemoryTables()
        self.consumer, self.topics, self.told = HandConsumer(), MemoryPublisher(), Told()
        self.store = FarStore(memory_history_store(self.tables, group=GROUP, unknown_users=unknown_users))
        publication = Publication(self.topics, away=lambda _: None)
        self.sink = Sink(
            consumer=self.consumer,
            topic=COMPLETED_TOPIC,
            to_row=history_row,
            store=self.store,
            dead_letters=DeadLetters(publication, consumer=GROUP, clock=VirtualClock(loop)),
            batch_rows=500,
            watcher=self.told,
        )
        self.ended = asyncio.create_task(self.sink.run())

    async def begin(self, *tps: TopicPartition) -> "Storing":
        """Take up partitions, and all that is in them."""
        await asyncio.sleep(0.01)
        await self.consumer.assign(*tps)
        await asyncio.sleep(2)
        return self

    def letters(self) -> list[dict[str, Any]]:
        """What is on the dead-letter topic."""
        return [json.loads(event.value) for event in self.topics.events if event.topic == DEAD_LETTER_TOPIC]

    def total(self, user: str) -> object:
        """What the statistics of a user count."""
        return self.tables.users[user_key(user)].statistics.get("total_generations")

    def stands_at(self, tp: TopicPartition) -> int | None:
        """The offset in the store."""
        return self.tables.offsets.get((GROUP, Partition(*tp)))


def answered(consumer: HandConsumer, tp: TopicPartition, *, user: str = "u-1", event: UUID | None = None) -> int:
    """A completion on a partition."""
    completed = GenerationCompleted(
        request_id="r",
        user_id=user,
        type="social-post",
        input={},
        output={"post": "x"},
        metadata=GenerationMetadata(attempts=1),
    )
    encoded = encode(completed, event_id=event or uuid4(), time=BEGIN, source="test")
    return consumer.put(tp, encoded.value, headers=encoded.headers)
