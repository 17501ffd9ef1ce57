"""The simulation finds what it is there to find: with any one guard switched off, some schedule breaks a promise."""

import pytest
from tests.simulation.edges import FarLedger
from tests.simulation.invariants import broken
from tests.simulation.seeds import lived
from tests.simulation.world import Parts

from fanzgpt_schemas.codec import Encoded
from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted
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
from fanzgpt_workers.stores.memory_ledger import MemoryLedger

SEEDS = 300


class WithoutEpochs(MemoryLedger):
    """Whoever comes last has the last word."""

    def _finish(self, ending: Ending) -> SaveVerdict:
        held = self.requests[ending.request_key]
        object.__setattr__(held, "ending", (ending.state, ending.outbox))
        if ending.settles is not None:
            self._settle(ending.settles)
        return Saved()


class CallingUnwritten(FarLedger):
    """Attempts are written some time after the call may begin, or never."""

    async def start_attempts(self, attempts: "list[AttemptStarted]") -> "list[bool]":  # type: ignore[override]
        await self._host.cross()
        if not self._losing.strikes():
            await self._ledger.start_attempts(attempts)
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


class PassingWhatRuns(PartitionBook):
    """Commits whatever was taken."""

    def to_commit(self, partitions: "tuple[Partition, ...] | None" = None) -> dict[Partition, int]:  # type: ignore[override]
        moved = super().to_commit(partitions)
        return {partition: self._held[partition].tracker._next or offset for partition, offset in moved.items()}


class CommittingWhatRuns(Engine):
    """An engine with that book."""

    def __init__(self, **parts: object) -> None:
        super().__init__(**parts)  # type: ignore[arg-type]
        self._book = PassingWhatRuns(Room(waiting_per_partition=8, uncommitted_per_partition=12))


class WithoutLanes(GenerationIntake):
    """Everything beside everything."""

    def work(self, record: Record) -> Work:
        work = super().work(record)
        return Work(work.record, Slot(record.origin, work.slot.user, work.slot.partition), work.run)


@pytest.mark.parametrize(
    ("guard", "parts"),
    [
        ("an ending is saved under its epoch", Parts(ledger=WithoutEpochs)),
        ("an attempt is written before its call", Parts(far_ledger=CallingUnwritten)),
        ("an ending is saved before it is published", Parts(answering=PublishedBeforeSaved)),
        ("a commit stops at what runs", Parts(engine=CommittingWhatRuns)),
        ("a conversation is a lane", Parts(intake=WithoutLanes)),
    ],
)
def test_a_guard_that_is_off_is_found_out(guard: str, parts: Parts) -> None:
    for seed in range(SEEDS):
        try:
            if broken(lived(seed, parts)):
                return
        except TimeoutError:  # a world that never comes to its end has been found out, too
            return
    pytest.fail(f"{guard}: no schedule of {SEEDS} needs it")
