"""The other servers: a ledger and a sink store that lose answers, and a provider that writes its own bill."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import TypeVar
from uuid import UUID

from tests.simulation.broker import Losing
from tests.simulation.host import Host

from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, Price, Usage
from fanzgpt_workers.core.claims import Claim, Verdict
from fanzgpt_workers.core.endings import Ending, SaveVerdict
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import (
    Cut,
    DatabaseUnavailable,
    Malformed,
    Overloaded,
    ServerError,
    Throttled,
    TimedOut,
    Unreachable,
)
from fanzgpt_workers.ports import Advance, Completion, HistoryRow, Ledger, ProviderCall, SinkStore

Answer = TypeVar("Answer")


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

    def __init__(self, ledger: Ledger, host: Host, losing: Losing) -> None:
        self._ledger = ledger
        self._host = host
        self._losing = losing

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Verdict]:
        """See the port."""
        return await over_the_wire(self._host, self._losing, lambda: self._ledger.claim(claims))

    async def start_attempts(self, attempts: Sequence[AttemptStarted]) -> Sequence[bool]:
        """See the port."""
        return await over_the_wire(self._host, self._losing, lambda: self._ledger.start_attempts(attempts))

    async def settle(self, ended: Sequence[AttemptEnded]) -> None:
        """See the port."""
        await over_the_wire(self._host, self._losing, lambda: self._ledger.settle(ended))

    async def finish(self, endings: Sequence[Ending]) -> Sequence[SaveVerdict]:
        """See the port."""
        return await over_the_wire(self._host, self._losing, lambda: self._ledger.finish(endings))

    async def mark_published(self, request_keys: Sequence[UUID]) -> None:
        """See the port."""
        await over_the_wire(self._host, self._losing, lambda: self._ledger.mark_published(request_keys))


class FarSinkStore:
    """A sink's store over the wire."""

    def __init__(self, store: SinkStore[HistoryRow], host: Host, losing: Losing) -> None:
        self._store = store
        self._host = host
        self._losing = losing

    async def next_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """See the port."""
        return await over_the_wire(self._host, self._losing, lambda: self._store.next_offsets(partitions))

    async def store(self, rows: Sequence[HistoryRow], advances: Sequence[Advance]) -> int:
        """See the port."""
        return await over_the_wire(self._host, self._losing, lambda: self._store.store(rows, advances))


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """One line of the provider's bill."""

    at: float
    request_id: str
    attempt_id: UUID
    host: str


class SimProvider:
    """Answers in its own time; writes the bill before anything can go wrong."""

    name = "openai"

    def __init__(self, bill: list[Billed], host: Host, random: Random, losing: Losing) -> None:
        self._bill = bill
        self._host = host
        self._random = random
        self._losing = losing

    async def complete(self, call: ProviderCall) -> Completion:
        """One call."""
        await self._host.cross()
        if self._losing.strikes():
            raise Unreachable("no connection")
        at = asyncio.get_running_loop().time()
        self._bill.append(Billed(at=at, request_id=call.request_id, attempt_id=call.attempt_id, host=self._host.name))
        await asyncio.sleep(self._random.choice((0.05, 0.2, 1.0)))
        if self._losing.strikes():
            raise self._random.choice((Throttled, Overloaded, TimedOut, Cut, ServerError, Malformed))("simulated")
        await self._host.cross()
        text = f"an answer to {call.request_id}"
        usage = Usage(input=10, output=5)
        return Completion(text=text, model=call.model, response_id="r", finish_reason="stop", usage=usage)

    async def aclose(self) -> None:
        """Nothing is open."""


class FlatPricing:
    """A cent a call."""

    def price(self, *, provider: str, model: str, usage: Usage, at: datetime) -> Price:
        """See the port."""
        return Price(usd=Decimal("0.01"), version="simulated")
