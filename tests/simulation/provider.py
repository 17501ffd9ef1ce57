"""The provider: slow, failing, garbled, and with a bill of its own that nobody can argue with."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Final, Protocol
from uuid import UUID

from tests.simulation.host import Host
from tests.simulation.losing import Losing

from fanzgpt_workers.core.attempts import Price, Usage
from fanzgpt_workers.errors import (
    Cut,
    Malformed,
    Overloaded,
    ProviderError,
    ServerError,
    Throttled,
    TimedOut,
    Unreachable,
)
from fanzgpt_workers.ports import Completion, ProviderCall

BEFORE_ANY_WORK: Final[tuple[type[ProviderError], ...]] = (Throttled, Overloaded)
AFTER_THE_WORK: Final[tuple[type[ProviderError], ...]] = (Cut, ServerError, Malformed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """One line of the provider's bill."""

    at: float
    request_id: str
    attempt_id: UUID
    host: Host


class Auditor(Protocol):
    """Sees every call as it arrives."""

    def called(self, call: ProviderCall, host: Host) -> None:
        """A call has arrived."""
        ...


class SimProvider:
    """Answers in its own time; the bill is written before anything can go wrong with the answer.

    `slow` is how many seconds its slowest answers take.
    """

    name = "openai"

    def __init__(
        self, bill: list[Billed], host: Host, random: Random, losing: Losing, auditor: Auditor, *, slow: float
    ) -> None:
        self._bill = bill
        self._host = host
        self._random = random
        self._losing = losing
        self._auditor = auditor
        self._slow = slow

    async def complete(self, call: ProviderCall) -> Completion:
        """One call."""
        await self._host.cross()
        if self._losing.strikes():
            raise Unreachable("no connection")
        loop = asyncio.get_running_loop()
        self._auditor.called(call, self._host)
        if self._losing.strikes():
            refused = self._random.choice(BEFORE_ANY_WORK)
            raise refused("simulated", retry_after=self._random.choice((None, 0.5, 3.0)))
        self._bill.append(
            Billed(at=loop.time(), request_id=call.request_id, attempt_id=call.attempt_id, host=self._host)
        )
        seconds = self._random.choice((0.05, 0.2, 1.0, self._slow))
        await asyncio.sleep(min(seconds, call.timeout))
        if seconds > call.timeout:
            raise TimedOut("simulated")
        if self._losing.strikes():
            raise self._random.choice(AFTER_THE_WORK)("simulated")
        await self._host.cross()
        return Completion(
            text="" if self._losing.strikes() else f"an answer to {call.request_id}",
            model=call.model,
            response_id=f"answer-{len(self._bill)}",
            finish_reason="stop",
            usage=Usage(input=10, output=5),
        )

    async def aclose(self) -> None:
        """Nothing is open."""


class FlatPricing:
    """A cent a call."""

    def price(self, *, provider: str, model: str, usage: Usage, at: datetime) -> Price:
        """See the port."""
        return Price(usd=Decimal("0.01"), version="simulated")
