"""The gate before a provider: calls go through in the order they came, as the provider's limits have room."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Final

from fanzgpt_workers.errors import CacheUnavailable, LetGo
from fanzgpt_workers.limits.minute import Correction, Limit, Minute

MOST_AT_ONCE: Final = 256
LONGEST_WAIT: Final = 5.0
"""Seconds after which it is asked again at the latest: another worker may have given something back."""


class Ticket:
    """A call that was let through, and where it stands in which window."""

    __slots__ = ("_corrections", "_second", "_tokens")

    def __init__(self, second: int, tokens: int, corrections: "Corrections") -> None:
        """Given out by a gate."""
        self._second = second
        self._tokens = tokens
        self._corrections = corrections

    def over(self, tokens: int | None) -> None:
        """The call took so many tokens; None where it was never made, or was refused and not counted."""
        requests = -1 if tokens is None else 0
        wrong = (tokens or 0) - self._tokens
        if requests or wrong:
            self._corrections.add(Correction(second=self._second, requests=requests, tokens=wrong))


class Corrections:
    """Corrections on their way into a window, as many at once as there are."""

    def __init__(self, minute: Minute) -> None:
        """Nothing is to be corrected."""
        self._minute = minute
        self._waiting: list[Correction] = []
        self._sending: asyncio.Task[None] | None = None

    def add(self, correction: Correction) -> None:
        """Send it with the next batch."""
        self._waiting.append(correction)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                # What is not corrected leaves the window after a minute by itself.
                with contextlib.suppress(CacheUnavailable):
                    await self._minute.correct(batch)
        finally:
            self._sending = None


class Gate:
    """One provider and model. What arrives while the window is asked becomes the next ask: one script serves all.

    While the shared window's keeper is away, this worker keeps to its share of the limit (by the workers last seen) in
    a window of its own: less precise, never open.
    """

    def __init__(self, shared: Minute, own: Minute, limit: Limit, *, away: Callable[[Exception], None]) -> None:
        """`own` stands in for `shared`; `away` is told when that begins."""
        self._windows = ((shared, Corrections(shared)), (own, Corrections(own)))
        self._limit = limit
        self._away = away
        self._workers = 1
        self._alone = False
        self._waiting: deque[tuple[int, asyncio.Future[Ticket]]] = deque()
        self._asking: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return sum(not future.done() for _, future in self._waiting)

    async def enter(self, tokens: int) -> Ticket:
        """Return once there is room for a call of about so many tokens; raises LetGo when told to."""
        future: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._waiting.append((min(tokens, self._limit.tokens), future))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().over(None)
            raise

    def let_go(self) -> None:
        """Whoever waits gets LetGo."""
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(LetGo("the process drains"))

    async def close(self, seconds: float) -> None:
        """The provider wants to hear of nobody for so long."""
        for minute, _ in self._windows:
            try:
                await minute.close(seconds)
            except CacheUnavailable as error:
                self._away(error)

    async def _ask(self) -> None:
        try:
            while self._somebody_waits():
                wait = await self._let_through([tokens for tokens, _ in list(self._waiting)[:MOST_AT_ONCE]])
                if wait:
                    await asyncio.sleep(min(wait, LONGEST_WAIT))
        finally:
            self._asking = None

    async def _let_through(self, wanted: list[int]) -> float:
        """Ask for these; the seconds until asking again makes sense."""
        (shared, corrections), (own, own_corrections) = self._windows
        try:
            grant = await shared.reserve(wanted, self._limit)
            self._workers, self._alone = max(1, grant.workers), False
        except CacheUnavailable as error:
            if not self._alone:
                self._away(error)
            self._alone = True
            corrections = own_corrections
            grant = await own.reserve(wanted, self._share())
        for _ in range(grant.granted):
            tokens, future = self._waiting.popleft()
            ticket = Ticket(grant.second, tokens, corrections)
            if future.done():
                ticket.over(None)
            else:
                future.set_result(ticket)
        return grant.wait

    def _somebody_waits(self) -> bool:
        """Forget the first of those who wait no longer; whether anybody is left."""
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
        return bool(self._waiting)

    def _share(self) -> Limit:
        return Limit(
            requests=max(1, self._limit.requests // self._workers), tokens=max(1, self._limit.tokens // self._workers)
        )
