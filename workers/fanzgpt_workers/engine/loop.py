"""The generation engine's loop: key order, concurrency past partitions, and commits that never pass running work."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from fanzgpt_workers.core.lanes import Caps, Cause, Lanes
from fanzgpt_workers.core.origin import Origin, Partition
from fanzgpt_workers.engine.book import PartitionBook, Room
from fanzgpt_workers.hearing import UNHEARD_SECONDS, Hearing, answers
from fanzgpt_workers.records import Handled, Intake, Record, Work

FETCH_WAIT_MS: Final = 250
COMMIT_INTERVAL_SECONDS: Final = 1.0
LONGEST_TURN_SECONDS: Final = 5.0
ASKING_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """Ceilings: running work, waiting records, records per fetch, and the seconds a drain may take."""

    caps: Caps
    room: Room = field(default_factory=Room)
    fetch_records: int = 1_000
    drain_seconds: float = 30.0


class Watcher(Protocol):
    """Told what happens, for metrics and logs; must return at once."""

    def consumed(self, topic: str, records: int) -> None:
        """Records were taken out of Kafka."""
        ...

    def rebalanced(self, *, assigned: int, revoked: int) -> None:
        """Partitions came or went."""
        ...

    def drained(self, *, left_running: int) -> None:
        """A drain ended; work still running past its bound is counted."""
        ...

    def commit_refused(self, error: KafkaError) -> None:
        """The group did not take a commit; it is tried again or has become void by a rebalance."""
        ...


class Engine(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
    """Runs what an intake makes of the records of some topics.

    Delivery: at least once; a record's offset is committed only after its work is DONE and every earlier record's is
    too. Order: work of one lane runs one after another. Rebalance: nothing new starts, what has not started is put
    back, running work is waited for up to the drain bound, then commits for the lost partitions end. Work that
    outlives the bound goes on and may still reach the ledger; when its record comes back here, it is adopted instead
    of being started twice. Work that was let go is begun again, in its place in the lane, where the group confirms that
    the partition is this member's. After a commit that the group refuses, and after a standstill until the group has
    been asked, nothing starts: somebody else may have the partitions by then.
    """

    def __init__(
        self,
        *,
        consumer: AIOKafkaConsumer,
        topics: tuple[str, ...],
        intake: Intake,
        limits: EngineLimits,
        watcher: Watcher,
        term: Callable[[], int],
        let_go: Callable[[], None] | None = None,
    ) -> None:
        """Wire up; nothing is connected before `run`.

        `term` tells the consumer's generation in its group. `let_go` is called as a drain begins: for work that waits.
        """
        self._term = term
        self._let_go = let_go
        self._consumer = consumer
        self._hearing = Hearing(consumer)
        self._topics = topics
        self._intake = intake
        self._limits = limits
        self._watcher = watcher
        self._lanes: Lanes[Work] = Lanes(limits.caps)
        self._book = PartitionBook(limits.room)
        self._running: dict[Origin, asyncio.Task[None]] = {}
        self._began: dict[Origin, float] = {}
        self._may_start = True
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._deaf = False
        self._joined = asyncio.Event()
        self._turned = self._could_start = asyncio.get_running_loop().time()

    @property
    def book(self) -> PartitionBook:
        """The partitions held, for lag and health."""
        return self._book

    @property
    def running(self) -> int:
        """Work under way."""
        return len(self._running)

    @property
    def oldest_seconds(self) -> float:
        """Age of the work that has been under way for longest; 0 when there is none."""
        began = next(iter(self._began.values()), None)
        return 0.0 if began is None else asyncio.get_running_loop().time() - began

    @property
    def waiting(self) -> int:
        """Records in memory that have not started."""
        return self._lanes.waiting

    def waiting_for(self) -> Mapping[Cause, int]:
        """What they wait for."""
        return self._lanes.causes()

    async def joined(self) -> None:
        """Return once the group has given this member its partitions, if only none."""
        await self._joined.wait()

    def membership(self) -> tuple[bool, str]:
        """Whether it is a member of its group, and in words."""
        if not self._joined.is_set():
            return False, "waits for its group to give it partitions"
        barred = asyncio.get_running_loop().time() - self._could_start
        if not self._may_start and barred > UNHEARD_SECONDS:
            return False, f"waits for its group to give it partitions again, for {barred:.0f} s"
        if (unheard := self._hearing.unheard()) is not None:
            return False, unheard
        return (
            True,
            f"{len(self._book.partitions())} partitions, {self.running} requests under way, {self.waiting} wait",
        )

    def still_seconds(self) -> float:
        """How long the loop has not turned."""
        return asyncio.get_running_loop().time() - self._turned

    def stop(self) -> None:
        """Ask the loop to drain and end; idempotent, callable from a signal handler on the loop."""
        self._stopping.set()
        self._wake.set()

    def fail(self, error: BaseException) -> None:
        """Something that the work needs is broken: drain, and let `run` raise the error."""
        self._failure = self._failure or error
        self.stop()

    def renew(self) -> None:
        """Its consumer is deaf: drain and end without Kafka. What could not be committed is found in the ledger."""
        self._deaf = True
        self.stop()

    async def ending(self) -> None:
        """Return once it has begun to end, for whatever reason."""
        await self._stopping.wait()

    async def run(self) -> None:
        """Consume until `stop`, then drain and commit. The consumer must be started; it is stopped at the end.

        Raises what a piece of work raised: its record is not committed, so nothing is lost by stopping.
        """
        self._consumer.subscribe(self._topics, listener=self)
        committing = asyncio.create_task(self._commit_regularly())
        try:
            while not self._stopping.is_set():
                await self._turn()
                await self._fetch()
        finally:
            self._stopping.set()
            await self._drain(self._book.partitions())
            committing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await committing
            heard = not self._deaf and await answers(self._commit(self._book.to_commit()), within=ASKING_SECONDS)
            await self._abandon()
            await (self._consumer.stop() if heard else self._consumer.cut_off())
        if self._failure is not None:
            raise self._failure

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Take up the new partitions."""
        self._book.assign((Partition(tp.topic, tp.partition) for tp in assigned), term=self._term())
        self._watcher.rebalanced(assigned=len(assigned), revoked=0)
        self._may_start = not self._stopping.is_set()
        self._joined.set()
        self._wake.set()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish what runs, commit, and let go. Heartbeats continue meanwhile."""
        if not revoked:
            return
        partitions = tuple(Partition(tp.topic, tp.partition) for tp in revoked)
        await self._drain(partitions)
        await self._commit(self._book.to_commit(partitions))
        self._book.revoke(partitions)
        self._watcher.rebalanced(assigned=0, revoked=len(revoked))

    async def _turn(self) -> None:
        """After a standstill the group may have given the partitions away: it is asked before anything starts."""
        if self._stands_still():
            try:
                async with asyncio.timeout(ASKING_SECONDS):
                    await self._commit(self._book.standing(self._book.partitions()))
            except TimeoutError:
                return  # it is asked again, unless there is a stop meanwhile
        self._turned = asyncio.get_running_loop().time()
        if self._may_start:
            self._could_start = self._turned
        self._start()

    def _stands_still(self) -> bool:
        return self.still_seconds() > LONGEST_TURN_SECONDS

    async def _fetch(self) -> None:
        ready = self._book.with_room() if self._may_start else []
        self._hearing.listens(ready)
        if not ready:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), FETCH_WAIT_MS / 1000)
            return
        # aiokafka hands out records in the instant it returns, never across a rebalance: they are of what is held now.
        batches = await self._consumer.getmany(
            *(TopicPartition(*partition) for partition in ready),
            timeout_ms=FETCH_WAIT_MS,
            max_records=min(self._limits.fetch_records, self._book.share),
        )
        if not self._may_start:
            self._put_back(batches)
            return
        for tp, records in batches.items():
            self._watcher.consumed(tp.topic, len(records))
            for each in records:
                self._take(
                    Record(
                        Origin(each.topic, each.partition, each.offset),
                        each.timestamp,
                        each.key,
                        each.value,
                        each.headers,
                    )
                )
        self._start()

    def _put_back(self, batches: dict[TopicPartition, list[object]]) -> None:
        """Records that were fetched and may not be begun are fetched again."""
        for tp, records in batches.items():
            with contextlib.suppress(IllegalStateError):  # no longer assigned: the new owner reads from the commit
                self._consumer.seek(tp, records[0].offset)  # type: ignore[attr-defined]  # untyped records

    def _take(self, record: Record) -> None:
        if not self._book.take(record.origin):
            return
        if record.origin not in self._running:  # else its late run ends it, or begins it again
            self._queue(self._intake.work(record))

    def _queue(self, work: Work) -> None:
        self._lanes.add(work.slot, work)
        self._book.queued(work.slot.partition, work.slot.user, work.record.size)

    def _start(self) -> None:
        if self._stopping.is_set() or self._stands_still():
            return
        now = asyncio.get_running_loop().time()
        while self._may_start and (started := self._lanes.start()) is not None:
            _, work = started
            self._book.unqueued(work.slot.partition, work.slot.user, work.record.size)
            self._began[work.record.origin] = now
            self._running[work.record.origin] = asyncio.create_task(
                self._perform(work, self._book.term(work.slot.partition))
            )

    async def _perform(self, work: Work, term: int) -> None:
        origin, handled = work.record.origin, Handled.LET_GO
        try:
            handled = await work.run(term)
            while handled is Handled.LET_GO and await self._is_ours(origin.of):
                handled = await work.run(self._book.term(origin.of))
        except Exception as error:  # noqa: BLE001  # routed: `run` raises it after the drain
            self.fail(error)
        finally:
            del self._running[origin], self._began[origin]
            self._lanes.release(work.slot)
            if handled is Handled.DONE:
                self._book.done(origin)
            self._start()
            self._wake.set()

    async def _is_ours(self, partition: Partition) -> bool:
        """Whether this member may take back what another has taken from it: the group, asked by a commit, knows."""
        if self._may_run(partition):
            await self._commit(self._book.standing((partition,)))
        return self._may_run(partition)

    def _may_run(self, partition: Partition) -> bool:
        return self._may_start and not self._stopping.is_set() and partition in self._book

    async def _drain(self, partitions: tuple[Partition, ...]) -> None:
        self._may_start = False
        if self._let_go is not None:
            self._let_go()
        for partition in partitions:
            for work in self._lanes.drop(partition):
                self._book.unqueued(partition, work.slot.user, work.record.size)
        running = list(self._running.values())
        if running:
            _, left = await asyncio.wait(running, timeout=self._limits.drain_seconds)
            self._watcher.drained(left_running=len(left))

    async def _abandon(self) -> None:
        """Past the drain bound at a stop: cancel what runs; its records were not committed and will come again."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_SECONDS)
            await self._commit(self._book.to_commit())

    async def _commit(self, offsets: dict[Partition, int]) -> None:
        if not offsets:
            return
        epoch = self._book.epoch
        try:
            with self._hearing.asking():
                await self._consumer.commit(
                    {TopicPartition(*partition): OffsetAndMetadata(offset, "") for partition, offset in offsets.items()}
                )
        except (CommitFailedError, IllegalStateError, KafkaError) as error:
            if isinstance(error, CommitFailedError) and epoch == self._book.epoch:
                self._may_start = False  # the assignment is void; the consumer joins again and is given another
            self._watcher.commit_refused(error)
        else:
            self._book.committed(offsets)
