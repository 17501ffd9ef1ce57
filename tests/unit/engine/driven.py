"""An engine whose broker and work are in a test's hands, on virtual time."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from tests.simulation.broker import Written

from fanzgpt_workers.core.lanes import Caps, Slot
from fanzgpt_workers.engine.book import Room
from fanzgpt_workers.engine.loop import Engine, EngineLimits
from fanzgpt_workers.records import Handled, Record, Work

TOPIC = "requests"
P0, P1 = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
DRAIN_SECONDS = 5.0


class HandConsumer:
    """A consumer that is given its partitions, its records and its refusals by a test."""

    def __init__(self) -> None:
        self.logs: dict[TopicPartition, list[Written]] = defaultdict(list)
        self.committed: dict[TopicPartition, int] = {}
        self.commits: list[dict[TopicPartition, int]] = []
        self.refusing: KafkaError | None = None
        self.answering = asyncio.Event()
        self.answering.set()
        self.arriving = asyncio.Event()
        self.arriving.set()
        self.given = asyncio.Event()
        self.asked_for: list[frozenset[TopicPartition]] = []
        self.is_stopped = self.is_cut_off = False
        self.term = 0
        self.positions: dict[TopicPartition, int] = {}
        self._listener: ConsumerRebalanceListener | None = None

    def write(self, tp: TopicPartition, offsets: Iterable[int], *, lane: str = "", size: int = 1) -> None:
        """Records at these offsets, in one lane or each in its own."""
        for offset in offsets:
            record = Written(tp.topic, tp.partition, offset, 0, lane.encode() or None, b"x" * size, ())
            self.logs[tp].append(record)

    def put(
        self, tp: TopicPartition, value: bytes | None, *, headers: Iterable[tuple[str, bytes]] = (), gap: int = 0
    ) -> int:
        """One record behind the last, or so many offsets further; returns its offset."""
        offset = (self.logs[tp][-1].offset + 1 if self.logs[tp] else 0) + gap
        self.logs[tp].append(Written(tp.topic, tp.partition, offset, 0, b"key", value, tuple(headers)))
        return offset

    async def assign(self, *tps: TopicPartition) -> None:
        """Give partitions, and tell the listener."""
        self.give(*tps)
        await self.tell()

    def give(self, *tps: TopicPartition) -> None:
        """Give partitions, to be read from where the group stands; the listener hears of it with `tell`."""
        self.term += 1
        self.positions = {tp: self.committed.get(tp, 0) for tp in tps}
        self.given.set()

    async def tell(self) -> None:
        """Tell the listener what was given."""
        await self._heard().on_partitions_assigned(set(self.positions))

    async def revoke(self) -> None:
        """Take all of them away."""
        self.given.clear()
        await self._heard().on_partitions_revoked(set(self.positions))
        self.positions = {}

    def subscribe(self, topics: Collection[str], listener: ConsumerRebalanceListener) -> None:
        self._listener = listener

    async def getmany(
        self, *only: TopicPartition, timeout_ms: int, max_records: int
    ) -> Mapping[TopicPartition, list[Written]]:
        self.asked_for.append(frozenset(only))
        await self.arriving.wait()
        await self.given.wait()  # as aiokafka, which hands records out in the instant of the return
        found = {}
        for tp in only or tuple(self.positions):
            records = [each for each in self.logs[tp] if each.offset >= self.positions.get(tp, 1_000_000)]
            if records:
                found[tp] = records[:max_records]
                self.positions[tp] = found[tp][-1].offset + 1
        if not found:
            await asyncio.sleep(timeout_ms / 1000)
        return found

    def seek(self, tp: TopicPartition, offset: int) -> None:
        if tp not in self.positions:
            raise IllegalStateError("not assigned")
        self.positions[tp] = offset

    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        await asyncio.sleep(0.01)
        await self.answering.wait()
        if self.refusing is not None:
            raise self.refusing
        told = {tp: each.offset for tp, each in offsets.items()}
        self.commits.append(told)
        self.committed.update(told)

    async def stop(self) -> None:
        self.is_stopped = True

    async def cut_off(self) -> None:
        self.is_stopped = self.is_cut_off = True

    def leave_behind(self) -> None:
        """The group has gone on without this member."""
        self.refusing = CommitFailedError("the group has rebalanced")

    def _heard(self) -> ConsumerRebalanceListener:
        assert self._listener is not None
        return self._listener


class HandWork:
    """An intake whose work ends when a test says so; `begun` lists the offsets in the order they were begun."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.cancelled: list[int] = []
        self._ends: dict[int, asyncio.Future[Handled]] = {}

    def work(self, record: Record) -> Work:
        lane = record.key or record.origin

        async def running(_: int) -> Handled:
            offset = record.origin.offset
            self.begun.append(offset)
            self._ends[offset] = asyncio.get_running_loop().create_future()
            try:
                return await self._ends[offset]
            except asyncio.CancelledError:
                self.cancelled.append(offset)
                raise

        return Work(record, Slot(lane, "user", record.origin.of), running)

    @property
    def running(self) -> tuple[int, ...]:
        """The offsets of what has not ended."""
        return tuple(self._ends)

    def end(self, *offsets: int, handled: Handled = Handled.DONE) -> None:
        """These are over."""
        for offset in offsets:
            self._ends.pop(offset).set_result(handled)

    def break_off(self, offset: int, error: Exception) -> None:
        """This one raises."""
        self._ends.pop(offset).set_exception(error)


class Told:
    """What the engine tells."""

    def __init__(self) -> None:
        self.drains: list[int] = []
        self.refused: list[KafkaError] = []

    def consumed(self, topic: str, records: int) -> None: ...

    def rebalanced(self, *, assigned: int, revoked: int) -> None: ...

    def drained(self, *, left_running: int) -> None:
        self.drains.append(left_running)

    def commit_refused(self, error: KafkaError) -> None:
        self.refused.append(error)


class Driven:
    """The three together, running; `passing` lets time go by."""

    def __init__(self, *, in_flight: int = 8, room: Room | None = None) -> None:
        self.consumer, self.work, self.told = HandConsumer(), HandWork(), Told()
        self.engine = Engine(
            consumer=self.consumer,
            topics=(TOPIC,),
            intake=self.work,
            limits=EngineLimits(
                caps=Caps(in_flight=in_flight, per_user=in_flight),
                room=room or Room(),
                fetch_records=100,
                drain_seconds=DRAIN_SECONDS,
            ),
            watcher=self.told,
            term=lambda: self.consumer.term,
        )
        self.ended = asyncio.create_task(self.engine.run())

    async def begin(self, *tps: TopicPartition) -> "Driven":
        """Take up partitions, and all that is in them."""
        await self.passing(0.01)
        await self.consumer.assign(*tps)
        await self.passing(1)
        return self

    @staticmethod
    async def passing(seconds: float) -> None:
        """Let virtual time go by."""
        await asyncio.sleep(seconds)
