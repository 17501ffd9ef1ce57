"""PostgreSQL's side: the ledger and a sink's store over the wire, each effect seen by the auditor as it is made."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from tests.simulation.host import Host
from tests.simulation.losing import Losing

from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted
from fanzgpt_workers.core.budgets import OverBudget
from fanzgpt_workers.core.claims import Claim, Verdict
from fanzgpt_workers.core.endings import Ending, SaveVerdict
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import DatabaseUnavailable
from fanzgpt_workers.ports import Ledger
from fanzgpt_workers.sink_ports import Advance, HistoryRow, SinkStore

Answer = TypeVar("Answer")


class Auditor(Protocol):
    """Sees every durable effect in the database in the instant it is made."""

    def claimed(self, host: Host, claims: Sequence[Claim], verdicts: Sequence[Verdict]) -> None:
        """Somebody asked for ownership."""
        ...

    def started(self, host: Host, attempts: Sequence[AttemptStarted], allowed: Sequence[bool | OverBudget]) -> None:
        """Attempt rows were written, where the answer allows the call."""
        ...

    def finished(self, host: Host, endings: Sequence[Ending], verdicts: Sequence[SaveVerdict]) -> None:
        """Endings were offered, and taken where they were saved."""
        ...

    def stored(self, host: Host, advances: Sequence[Advance]) -> None:
        """A sink's rows and offsets were committed."""
        ...


async def over_the_wire(host: Host, losing: Losing, act: Callable[[], Awaitable[Answer]]) -> Answer:
    """A statement: lost on its way, or done and its answer lost, or answered."""
    await host.cross()
    if losing.strikes():
        raise DatabaseUnavailable("lost on the way")
    answer = await act()
    if losing.strikes():
        raise DatabaseUnavailable("done, and the answer lost")
    await host.cross()
    return answer


class FarLedger:
    """A ledger over the wire, as one host sees it."""

    def __init__(self, ledger: Ledger, host: Host, losing: Losing, auditor: Auditor) -> None:
        self.ledger = ledger
        self.host = host
        self.losing = losing
        self.auditor = auditor

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Verdict]:
        """See the port."""

        async def act() -> Sequence[Verdict]:
            verdicts = await self.ledger.claim(claims)
            self.auditor.claimed(self.host, claims, verdicts)
            return verdicts

        return await over_the_wire(self.host, self.losing, act)

    async def start_attempts(self, attempts: Sequence[AttemptStarted]) -> Sequence[bool | OverBudget]:
        """See the port."""

        async def act() -> Sequence[bool | OverBudget]:
            allowed = await self.ledger.start_attempts(attempts)
            self.auditor.started(self.host, attempts, allowed)
            return allowed

        return await over_the_wire(self.host, self.losing, act)

    async def settle(self, ended: Sequence[AttemptEnded]) -> None:
        """See the port."""
        await over_the_wire(self.host, self.losing, lambda: self.ledger.settle(ended))

    async def finish(self, endings: Sequence[Ending]) -> Sequence[SaveVerdict]:
        """See the port."""

        async def act() -> Sequence[SaveVerdict]:
            verdicts = await self.ledger.finish(endings)
            self.auditor.finished(self.host, endings, verdicts)
            return verdicts

        return await over_the_wire(self.host, self.losing, act)

    async def mark_published(self, request_keys: Sequence[UUID]) -> None:
        """See the port."""
        await over_the_wire(self.host, self.losing, lambda: self.ledger.mark_published(request_keys))


class FarSinkStore:
    """A sink's store over the wire."""

    def __init__(self, store: SinkStore[HistoryRow], host: Host, losing: Losing, auditor: Auditor) -> None:
        self._store = store
        self._host = host
        self._losing = losing
        self._auditor = auditor

    async def next_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """See the port."""
        return await over_the_wire(self._host, self._losing, lambda: self._store.next_offsets(partitions))

    async def store(self, rows: Sequence[HistoryRow], advances: Sequence[Advance]) -> int:
        """See the port."""

        async def act() -> int:
            new = await self._store.store(rows, advances)
            self._auditor.stored(self._host, advances)
            return new

        return await over_the_wire(self._host, self._losing, act)
