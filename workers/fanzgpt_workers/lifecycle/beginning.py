"""Until a call may be made: past its provider's breaker and limits, with room in its budgets, its row in the ledger."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Final, Literal
from uuid import UUID

from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, Cause, Price
from fanzgpt_workers.core.budgets import OverBudget
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import LetGo
from fanzgpt_workers.lifecycle.books import Books
from fanzgpt_workers.lifecycle.door import Door, Entry, Size
from fanzgpt_workers.lifecycle.purse import Patience, Purse, Refuse, Wait
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.ports import Clock, Prompt

NOT_SENT: Final = Price(usd=Decimal(0), version="never sent")


class Lost(Exception):  # control flow: named for what happened
    """A newer owner has the request: no call may be made, no ending saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The call that is to be made; `first` is the target that is no fallback."""

    epoch: int
    ordinal: int
    cause: Cause
    first: Target
    prompt: Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The call may be made now: its row is durable."""

    entry: Entry
    attempt_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBegun:
    """No call will be made."""

    reason: Literal["expired", "rejected"]
    detail: str


class Beginning:
    """Brings calls to their beginning; holds no state of any request."""

    def __init__(
        self, *, books: Books, door: Door, purse: Purse | None, clock: Clock, new_id: Callable[[], UUID]
    ) -> None:
        """Without a `purse` any call may be paid for."""
        self._books = books
        self._door = door
        self._purse = purse
        self._clock = clock
        self._new_id = new_id

    async def begin(
        self,
        request: LiveRequest,
        chain: Sequence[Target],
        wanted: Wanted,
        *,
        most_output: int,
        patience: Patience,
        draining: asyncio.Event,
    ) -> Begun | NotBegun:
        """Wait until one of the chain may be called, and write the attempt's row.

        What is reserved is reserved at the price of the target that is called: a fallback's is its own. Raises Lost
        when the request has a newer owner, and LetGo when a drain begins before there is a row.
        """
        while True:
            entry = await self._enter(request, chain, wanted.prompt, most_output)
            if entry is None:
                detail = (
                    f"{wanted.first} could not be called before the deadline: it was down, or its limit was reached"
                )
                return NotBegun(reason="expired", detail=detail)
            target, purse = entry.target, self._purse
            is_fallback = target != wanted.first and wanted.cause != "repair"
            started = AttemptStarted(
                attempt_id=self._new_id(),
                request_key=request.key,
                epoch=wanted.epoch,
                ordinal=wanted.ordinal,
                provider=target.provider,
                model=target.model,
                cause="fallback" if is_fallback else wanted.cause,
                reservation=None
                if purse is None
                else purse.reservation(request, target, wanted.prompt, most_output, self._clock.now()),
            )
            over = await self._start(started, entry)
            if over is None or purse is None:
                return Begun(entry=entry, attempt_id=started.attempt_id)
            now = self._clock.now()
            match purse.refused(over, patience, now=now):
                case Refuse(detail):
                    return NotBegun(reason="rejected", detail=detail)
                case Wait(seconds):
                    deadline = request.event.deadline
                    if deadline is not None and now + timedelta(seconds=seconds) >= deadline:
                        detail = f"there was no room in the budget ({over.allowance.scope}) before the deadline"
                        return NotBegun(reason="expired", detail=detail)
                    await slept(seconds, draining)

    async def _enter(
        self, request: LiveRequest, chain: Sequence[Target], prompt: Prompt, most_output: int
    ) -> Entry | None:
        """Wait until a call may be made; None when the deadline comes first."""
        size = Size(kind=request.event.type, prompt_characters=prompt.characters, most_output=most_output)
        entering = self._door.enter(chain, size)
        if request.event.deadline is None:
            return await entering
        try:
            async with asyncio.timeout((request.event.deadline - self._clock.now()).total_seconds()):
                return await entering
        except TimeoutError:
            return None

    async def _start(self, attempt: AttemptStarted, entry: Entry) -> OverBudget | None:
        """Write the attempt's row (None), or say which budget forbids it; raises Lost when there is a newer owner."""
        starting = self._books.start(attempt)
        try:
            answer = await asyncio.shield(starting)
        except BaseException:
            entry.unused()
            starting.add_done_callback(partial(self._never_sent, attempt.attempt_id))
            raise
        if answer is True:
            return None
        entry.unused()
        if isinstance(answer, OverBudget):
            return answer
        raise Lost

    def _never_sent(self, attempt_id: UUID, starting: "asyncio.Future[bool | OverBudget]") -> None:
        """The row is there, and its call will not be made."""
        if not starting.cancelled() and starting.exception() is None and starting.result() is True:
            ended = AttemptEnded(
                attempt_id=attempt_id, outcome="cancelled", detail="cancelled before it was sent", price=NOT_SENT
            )
            self._books.settle(ended).add_done_callback(asyncio.Future.exception)


async def slept(seconds: float, draining: asyncio.Event) -> None:
    """Return after so long; raises LetGo when a drain begins first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await draining.wait()
            raise LetGo("the process drains")
