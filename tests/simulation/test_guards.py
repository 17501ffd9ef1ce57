"""The simulation finds what it is there to find: with any one guard switched off, some schedule breaks a promise."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.simulation.database import FarLedger, FarSinkStore
from tests.simulation.seeds import STORM, lived
from tests.simulation.worker import Parts

from fanzgpt_schemas.codec import Encoded
from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted
from fanzgpt_workers.core.claims import AlreadyEnded, Claim, Granted, Verdict
from fanzgpt_workers.core.endings import Ending, EndState, Saved, SaveVerdict
from fanzgpt_workers.core.lanes import Slot
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.engine.book import PartitionBook, Room
from fanzgpt_workers.engine.loop import Engine
from fanzgpt_workers.lifecycle.answering import Answering
from fanzgpt_workers.lifecycle.events import Course
from fanzgpt_workers.lifecycle.intake import GenerationIntake
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.records import Handled, Record, Work
from fanzgpt_workers.sink_ports import Advance, HistoryRow
from fanzgpt_workers.sinks.loop import Sink
from fanzgpt_workers.stores.memory_ledger import HeldRequest, MemoryLedger
from fanzgpt_workers.stores.memory_sink_store import MemorySinkStore

SEEDS = 1_000


class WithoutEpochs(MemoryLedger):
    """Whoever comes last has the last word."""

    def _finish(self, ending: Ending) -> SaveVerdict:
        held = self.requests[ending.request_key]
        object.__setattr__(held, "ending", (ending.state, ending.outbox))
        if ending.settles is not None:
            self._settle(ending.settles)
        return Saved()


class WithoutTerms(MemoryLedger):
    """Whoever has the record in hands is its partition's holder."""

    def _claim(self, claim: Claim) -> Verdict:
        held = self.requests.get(claim.request_key)
        return super()._claim(claim if held is None else replace(claim, term=held.claim.term))


class ForgettingEndings(MemoryLedger):
    """A request that has its ending is begun again."""

    def _claim(self, claim: Claim) -> Verdict:
        verdict = super()._claim(claim)
        if isinstance(verdict, AlreadyEnded):
            object.__setattr__(self.requests[claim.request_key], "ending", None)
            return super()._claim(claim)
        return verdict


class WithoutAKey(MemoryLedger):
    """Every claim makes a row of its own, which knows of no other."""

    def _claim(self, claim: Claim) -> Verdict:
        now = self._clock.now()
        self.requests[claim.request_key] = HeldRequest(claim=claim, epoch=1, created_at=now, updated_at=now)
        return Granted(1)


class CallingUnwritten(FarLedger):
    """Attempts are written some time after the call may begin, or never."""

    async def start_attempts(self, attempts: Sequence[AttemptStarted]) -> Sequence[bool]:
        await self.host.cross()
        if not self.losing.strikes():
            await self.ledger.start_attempts(attempts)
        return [True] * len(attempts)


class PublishedBeforeSaved(Answering):
    """The sender hears the answer before it is sure to stand."""

    async def _end(
        self,
        request: LiveRequest,
        epoch: int,
        state: EndState,
        told: list[Encoded],
        *,
        course: Course,
        settles: AttemptEnded | None,
    ) -> Handled:
        await self._publication.publish(told)
        return await super()._end(request, epoch, state, told, course=course, settles=settles)


class DoneBeforePublished(Answering):
    """The record is passed while its events are still on their way."""

    async def _publish(self, request: LiveRequest, told: list[Encoded]) -> Handled:
        self._on_their_way = asyncio.create_task(super()._publish(request, told))
        return Handled.DONE


class PassingWhatRuns(PartitionBook):
    """Commits whatever was taken."""

    def to_commit(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        moved = super().to_commit(partitions)
        return {partition: self._held[partition].tracker._next or offset for partition, offset in moved.items()}


class CommittingWhatRuns(Engine):
    """An engine with that book."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._book = PassingWhatRuns(Room(waiting_per_partition=8, uncommitted_per_partition=12))


class WithoutDrain(Engine):
    """Partitions are given back at once, whatever runs."""

    async def _drain(self, partitions: tuple[Partition, ...]) -> None:
        self._may_start = False
        for partition in partitions:
            for work in self._lanes.drop(partition):
                self._book.unqueued(partition, work.slot.user, work.record.size)


class KeepingWhatIsGone(Engine):
    """What waited for a partition that was taken away is begun all the same."""

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        await super().on_partitions_revoked(set())


class DroppingWhatComesAcross(Engine):
    """What a fetch brings that was begun under an earlier assignment is left alone."""

    async def _fetch(self) -> None:
        self._asked_under = self._book.epoch
        await super()._fetch()

    def _take(self, record: Record) -> None:
        if self._asked_under == self._book.epoch:
            super()._take(record)


class TakingBackUnasked(Engine):
    """What another has taken is taken back without asking the group, at the end of its lane."""

    async def _is_ours(self, partition: Partition) -> bool:
        return False

    async def _perform(self, work: Work, term: int) -> None:
        results: list[Handled] = []

        async def run(term: int) -> Handled:
            results.append(await work.run(term))
            return results[0]

        await super()._perform(Work(work.record, work.slot, run), term)
        if results == [Handled.LET_GO] and self._may_run(work.record.origin.of):
            self._queue(work)


class TakingALossForAnEnding(Answering):
    """A request that another has taken is done with."""

    async def run(self, request: LiveRequest, *, term: int) -> Handled:
        await super().run(request, term=term)
        return Handled.DONE


class WithoutLanes(GenerationIntake):
    """Everything beside everything."""

    def work(self, record: Record) -> Work:
        work = super().work(record)
        return Work(work.record, Slot(record.origin, work.slot.user, work.slot.partition), work.run)


class CountingTwice(MemorySinkStore[HistoryRow]):
    """The statistics count what was delivered, not what is new."""

    async def store(self, rows: Sequence[HistoryRow], advances: Sequence[Advance]) -> int:
        known = [row for row in rows if row.event_id in self._tables.history]
        new = await super().store(rows, advances)
        for row in known:
            statistics = self._tables.users[row.user_key].statistics
            statistics["total_generations"] = int(str(statistics["total_generations"])) + 1
        return new


class OffsetsApart(FarSinkStore):
    """The offsets are in a transaction of their own, before that of the rows."""

    async def store(self, rows: Sequence[HistoryRow], advances: Sequence[Advance]) -> int:
        await super().store([], advances)
        await asyncio.sleep(0.5)  # long enough for some schedule to end the process in between
        return await super().store(rows, [])


class WithoutLetters(Sink[HistoryRow]):
    """What cannot be stored is left out, and nobody hears of it."""

    async def _refuse(self, record: Record, reason: str, error: str) -> None:
        """Nothing."""


class PassingWhatWasNotStored(Sink[HistoryRow]):
    """A batch that could not be stored is passed over."""

    async def _store_all(self, rows: Any, advances: list[Advance]) -> bool:
        with contextlib.suppress(Exception):
            await self._store.store([row for row, _ in rows.values()], advances)
        return True


GUARDS: Mapping[str, Parts] = {
    "an ending is saved under its epoch": Parts(ledger=WithoutEpochs),
    "a claim is of the term in which its partition was given": Parts(ledger=WithoutTerms),
    "a request has one row, by its key": Parts(ledger=WithoutAKey),
    "a request that has its ending is not begun again": Parts(ledger=ForgettingEndings),
    "an attempt is written before its call": Parts(far_ledger=CallingUnwritten),
    "an ending is saved before it is published": Parts(answering=PublishedBeforeSaved),
    "a record is done once its events are acknowledged": Parts(answering=DoneBeforePublished),
    "a commit stops at what runs": Parts(engine=CommittingWhatRuns),
    "what runs is waited for before partitions go": Parts(engine=WithoutDrain),
    "what waits for a partition goes with it": Parts(engine=KeepingWhatIsGone),
    "what a fetch brings is worked on, whenever it was begun": Parts(engine=DroppingWhatComesAcross),
    "what was taken is taken back in its place, if the group agrees": Parts(engine=TakingBackUnasked),
    "a request that another has taken is not done": Parts(answering=TakingALossForAnEnding),
    "what cannot be stored is kept": Parts(sink=WithoutLetters),
    "a conversation is a lane": Parts(intake=WithoutLanes),
    "an event is counted once": Parts(sink_store=CountingTwice),
    "offsets are stored with their rows": Parts(far_sink_store=OffsetsApart),
    "a batch is kept until it is stored": Parts(sink=PassingWhatWasNotStored),
}


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_is_off_is_found_out(guard: str) -> None:
    for seed in range(SEEDS):
        if lived(seed, GUARDS[guard], STORM).wrong:
            return
    pytest.fail(f"{guard}: no schedule of {SEEDS} needs it")
