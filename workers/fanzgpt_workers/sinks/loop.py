"""The sinks' loop: batches of events become rows, statistics and offsets in one transaction."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from fanzgpt_schemas.errors import ContractError
from fanzgpt_workers.core.origin import Origin, Partition
from fanzgpt_workers.errors import Fenced, RowsRefused, Unavailable
from fanzgpt_workers.hearing import Hearing, answers
from fanzgpt_workers.publishing.dead_letters import DeadLetters
from fanzgpt_workers.records import Record
from fanzgpt_workers.sink_ports import Advance, SinkStore

FETCH_WAIT_MS: Final = 250
ASKING_SECONDS: Final = 5.0
COMMIT_INTERVAL_SECONDS: Final = 1.0
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0


class Identified(Protocol):
    """A row that knows the event it came from."""

    @property
    def event_id(self) -> UUID:
        """The event's id."""
        ...


Row = TypeVar("Row", bound=Identified)


class SinkWatcher(Protocol):
    """Told what happens, for metrics and logs; must return at once."""

    def consumed(self, topic: str, records: int) -> None:
        """Records were taken out of Kafka."""
        ...

    def stored(self, *, rows: int, new: int, seconds: float) -> None:
        """A transaction was committed."""
        ...

    def refused(self, record: Record, reason: str) -> None:
        """A record went to the dead-letter topic."""
        ...

    def away(self, error: Exception) -> None:
        """PostgreSQL could not be reached; the batch is kept and tried again."""
        ...

    def fenced(self, error: Fenced) -> None:
        """Another member has advanced a partition of ours; the positions are read again."""
        ...

    def rebalanced(self, *, assigned: int, revoked: int) -> None:
        """Partitions came or went."""
        ...


class Sink(ConsumerRebalanceListener, Generic[Row]):  # type: ignore[misc]  # aiokafka publishes no types
    """Stores what `to_row` makes of the records of one topic.

    Promise: each event has exactly one effect in PostgreSQL, and a replay from offset 0 changes nothing. The position
    is the one stored with the rows; what the consumer group holds follows it, for lag views. A record that can never
    be stored is dead-lettered alone, before its batch is stored without it. While PostgreSQL is away nothing is
    dead-lettered and nothing is lost: the batch waits.
    """

    def __init__(
        self,
        *,
        consumer: AIOKafkaConsumer,
        topic: str,
        to_row: Callable[[Record], Row],
        store: SinkStore[Row],
        dead_letters: DeadLetters,
        batch_rows: int,
        watcher: SinkWatcher,
    ) -> None:
        """Wire up; nothing is connected before `run`."""
        self._consumer = consumer
        self._hearing = Hearing(consumer)
        self._topic = topic
        self._to_row = to_row
        self._store = store
        self._dead_letters = dead_letters
        self._batch_rows = batch_rows
        self._watcher = watcher
        self._stored: dict[Partition, int | None] = {}
        self._uncommitted: dict[Partition, int] = {}
        self._storing = asyncio.Lock()
        self._revoking = asyncio.Event()
        self._stopping = asyncio.Event()
        self._deaf = False
        self._epoch = 0
        self._joined = asyncio.Event()
        self._turned = asyncio.get_running_loop().time()

    async def joined(self) -> None:
        """Return once the group has given this member its partitions, if only none, and their positions are read."""
        await self._joined.wait()

    def membership(self) -> tuple[bool, str]:
        """Whether it is a member of its group, and in words."""
        if not self._joined.is_set():
            return False, "waits for its group to give it partitions"
        unheard = self._hearing.unheard()
        return unheard is None, unheard or f"{len(self._stored)} partitions"

    def still_seconds(self) -> float:
        """How long the loop has not turned; a batch that waits for PostgreSQL turns it."""
        return asyncio.get_running_loop().time() - self._turned

    def stop(self) -> None:
        """Finish the batch under way, then end; idempotent, callable from a signal handler on the loop."""
        self._stopping.set()

    def renew(self) -> None:
        """Its consumer is deaf: end without Kafka. The position is the one stored with the rows."""
        self._deaf = True
        self.stop()

    async def ending(self) -> None:
        """Return once it has begun to end, for whatever reason."""
        await self._stopping.wait()

    async def run(self) -> None:
        """Consume until `stop`. The consumer must be started; it is stopped at the end."""
        self._consumer.subscribe([self._topic], listener=self)
        committing = asyncio.create_task(self._commit_regularly())
        try:
            while not self._stopping.is_set():
                epoch, self._turned = self._epoch, asyncio.get_running_loop().time()
                self._hearing.listens(self._stored)
                batches = await self._consumer.getmany(timeout_ms=FETCH_WAIT_MS, max_records=self._batch_rows)
                if batches:
                    await self._take(batches, epoch)
        finally:
            self._stopping.set()
            committing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await committing
            heard = not self._deaf and await answers(self._commit(), within=ASKING_SECONDS)
            await (self._consumer.stop() if heard else self._consumer.cut_off())

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Begin where the stored rows end; what was fetched before that was known is fetched again."""
        async with self._storing:
            self._revoking.clear()
            await self._resume([Partition(tp.topic, tp.partition) for tp in assigned])
            self._epoch += 1
        self._joined.set()
        self._watcher.rebalanced(assigned=len(assigned), revoked=0)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Let the transaction under way end, tell the group, and let go."""
        if not revoked:
            return
        self._revoking.set()
        async with self._storing:
            await self._commit()
            self._epoch += 1
            self._stored.clear()
            self._uncommitted.clear()
        self._watcher.rebalanced(assigned=0, revoked=len(revoked))

    async def _resume(self, partitions: Sequence[Partition]) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                offsets = await self._store.next_offsets(partitions)
            except Unavailable as error:
                self._watcher.away(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                break
        for partition in partitions:
            self._stored[partition] = offsets.get(partition)
            if partition in offsets:
                self._consumer.seek(TopicPartition(*partition), offsets[partition])
                # Whoever stored these rows may have died before the group heard of them.
                self._uncommitted[partition] = offsets[partition]

    async def _take(self, batches: Mapping[TopicPartition, Sequence[Any]], epoch: int) -> None:
        async with self._storing:
            if epoch != self._epoch or self._revoking.is_set():
                self._put_back(batches)
                return
            self._watcher.consumed(self._topic, sum(map(len, batches.values())))
            rows: dict[UUID, tuple[Row, Record]] = {}
            advances = [
                Advance(partition=p, expected=self._stored.get(p), next_offset=records[-1].offset + 1)
                for p, records in ((Partition(*tp), records) for tp, records in batches.items())
            ]
            for records in batches.values():
                for each in records:
                    origin = Origin(each.topic, each.partition, each.offset)
                    record = Record(origin, each.timestamp, each.key, each.value, each.headers)
                    try:
                        row = self._to_row(record)
                    except ContractError as error:
                        await self._refuse(record, "invalid", str(error))
                    else:
                        rows[row.event_id] = (row, record)
            if await self._store_all(rows, advances):
                for advance in advances:
                    self._stored[advance.partition] = advance.next_offset
                    self._uncommitted[advance.partition] = advance.next_offset
            else:
                self._put_back(batches)

    async def _store_all(self, rows: dict[UUID, tuple[Row, Record]], advances: list[Advance]) -> bool:
        """True once stored; False when the partitions are being taken away, or were advanced by somebody else."""
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE_SECONDS
        while True:
            began = self._turned = loop.time()
            try:
                new = await self._store.store([row for row, _ in rows.values()], advances)
            except RowsRefused as refused:
                for event_id, reason in refused.reasons.items():
                    _, record = rows.pop(event_id)
                    await self._refuse(record, "unstorable", reason)
            except Fenced as error:
                self._watcher.fenced(error)
                await self._resume(list(self._stored))
                return False
            except Unavailable as error:
                self._watcher.away(error)
                if self._revoking.is_set() or self._stopping.is_set():
                    return False
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._revoking.wait(), pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                self._watcher.stored(rows=len(rows), new=new, seconds=loop.time() - began)
                return True

    async def _refuse(self, record: Record, reason: str, error: str) -> None:
        await self._dead_letters.send(record, reason=reason, error=error)
        self._watcher.refused(record, reason)

    def _put_back(self, batches: Mapping[TopicPartition, Sequence[Any]]) -> None:
        """What was fetched and not stored is fetched again, from the stored position where there is one."""
        for tp, records in batches.items():
            stored = self._stored.get(Partition(*tp))
            with contextlib.suppress(IllegalStateError):  # no longer assigned: its new owner resumes from the store
                self._consumer.seek(tp, records[0].offset if stored is None else stored)

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_SECONDS)
            await self._commit()

    async def _commit(self) -> None:
        offsets, self._uncommitted = self._uncommitted, {}
        if not offsets:
            return
        try:
            with self._hearing.asking():
                await self._consumer.commit({TopicPartition(*p): OffsetAndMetadata(o, "") for p, o in offsets.items()})
        except (KafkaError, IllegalStateError):
            # The group's offsets are for lag views, the store decides; they are told again with the next commit.
            for partition, offset in offsets.items():
                if partition in self._stored:
                    self._uncommitted.setdefault(partition, offset)
