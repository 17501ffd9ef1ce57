"""The gate before a provider: calls go through in the order they came, as the provider's limits have room."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from typing import Final

from fanzgpt_workers.core.headroom import Headroom
from fanzgpt_workers.core.load import NOTHING, Limit, Load
from fanzgpt_workers.errors import CacheUnavailable, LetGo
from fanzgpt_workers.limits.memory_minute import MemoryMinute
from fanzgpt_workers.limits.minute import SLOT_MS, Correction, Minute, Told

FEWEST_AT_ONCE: Final = 8
MOST_AT_ONCE: Final = 256
LONGEST_WAIT: Final = 0.2
"""Seconds after which it is asked again at the latest: another worker may have given something back."""
SHORTEST_WAIT: Final = 0.02
NEGLIGIBLE_SECONDS: Final = 0.05
AWAY_SECONDS: Final = 1.0
"""For so long nobody asks a keeper that did not answer: each ask would wait for it anew."""


class Ticket:
    """A call that was let through, and where it stands in which window."""

    __slots__ = ("_corrections", "_granted", "_load", "_number", "_slot", "_time")

    def __init__(
        self, number: int, slot: int, load: Load, corrections: "Corrections", time: Callable[[], float]
    ) -> None:
        """Given out by a gate; `time` in seconds."""
        self._time = time
        self._granted = time()
        self._number = number
        self._slot = slot
        self._load = load
        self._corrections = corrections

    def sent(self) -> None:
        """The call is on its way now: the provider's minute begins here, not where room was found."""
        later = self._time() - self._granted
        if later > NEGLIGIBLE_SECONDS:
            self._corrections.add(self._slot, NOTHING.minus(self._load))
            self._slot += ceil(later * 1000 / SLOT_MS)
            self._corrections.add(self._slot, self._load)

    def over(self, *, input_tokens: int, output_tokens: int) -> None:
        """The call took so many tokens."""
        change = self._load.ended(input_tokens=input_tokens, output_tokens=output_tokens)
        self._corrections.add(self._slot, change, over=self._number)

    def unknown(self) -> None:
        """The call is over, and nobody said what it took."""
        self._corrections.add(self._slot, NOTHING, over=self._number)

    def unused(self) -> None:
        """The call was never made, or was refused and not counted."""
        self._corrections.add(self._slot, NOTHING.minus(self._load), over=self._number)

    def told(self, headroom: Headroom) -> None:
        """What the provider said with its answer."""
        self._corrections.hear(Told(slot=self._slot, headroom=headroom))


class Corrections:
    """Corrections on their way into a window, as many at once as there are."""

    def __init__(self, minute: Minute, corrected: Callable[[], None]) -> None:
        """Nothing is to be corrected; `corrected` is told when there may be more room than before."""
        self._minute = minute
        self._corrected = corrected
        self._waiting: list[Correction] = []
        self._told: Told | None = None
        self._sending: asyncio.Task[None] | None = None

    def add(self, slot: int, change: Load, *, over: int | None = None) -> None:
        """Send it with the next batch."""
        self._waiting.append(Correction(slot=slot, change=change, over=over))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    def hear(self, told: Told) -> None:
        """Send it with the next correction, unless something later has been told by then."""
        if self._told is None or self._told.slot <= told.slot:
            self._told = told

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                told, self._told = self._told, None
                # What is not corrected leaves the window after a minute by itself.
                with contextlib.suppress(CacheUnavailable):
                    await self._minute.correct(batch, told)
                    self._corrected()
        finally:
            self._sending = None


@dataclass(frozen=True, slots=True)
class Known:
    """A limit, and whether somebody stated it: one that nobody did gives way to what the provider says."""

    limit: Limit
    stated: bool


class Gate:
    """One provider and model. What arrives while the window is asked becomes the next ask: one script serves all.

    While the shared window's keeper is away, this worker keeps to its share of the limit (by the workers last seen) in
    a window of its own: less precise, never open.
    """

    def __init__(self, shared: Minute, own: MemoryMinute, known: Known, *, away: Callable[[Exception], None]) -> None:
        """`own` stands in for `shared`; `away` is told when that begins."""
        self._room = asyncio.Event()
        self._windows = ((shared, Corrections(shared, self._room.set)), (own, Corrections(own, self._room.set)))
        self.limit = known.limit
        self._stated = known.stated
        self._away = away
        self._workers = 1
        self._alone_until: float | None = None
        self._waiting: deque[tuple[Callable[[], Load], asyncio.Future[Ticket]]] = deque()
        self._at_once = MOST_AT_ONCE
        self._asking: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return sum(not future.done() for _, future in self._waiting)

    async def enter(self, load: Callable[[], Load]) -> Ticket:
        """Return once there is room for a call; raises LetGo when told to.

        `load` is called at every ask: whoever waits is asked for by what has been learned meanwhile.
        """
        future: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._waiting.append((load, future))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().unused()
            raise

    def hear(self, headroom: Headroom) -> None:
        """What the provider says its limits are. A stated one stays, and the window knows where it is the larger."""
        if not self._stated:
            self.limit = replace(headroom.limit(), concurrent=self.limit.concurrent)

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
        wait = 0.0
        try:
            while self._somebody_waits():
                self._room.clear()
                wait = await self._let_through([load() for load, _ in islice(self._waiting, self._at_once)])
                if wait:
                    await asyncio.sleep(SHORTEST_WAIT)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._room.wait(), min(wait, LONGEST_WAIT) - SHORTEST_WAIT)
            if wait:  # whoever waited has given up: no room is to be kept for them
                await self._let_through([])
        finally:
            self._asking = None

    async def _let_through(self, wanted: list[Load]) -> float:
        """Ask for these; the seconds until asking again makes sense."""
        (shared, corrections), (own, own_corrections) = self._windows
        now, grant = asyncio.get_running_loop().time(), None
        if self._alone_until is None or self._alone_until <= now:
            try:
                grant = await shared.reserve(wanted, self.limit)
                self._workers, self._alone_until = max(1, grant.workers), None
                own.note(wanted[: grant.granted])  # known when it has to stand in
            except CacheUnavailable as error:
                if self._alone_until is None:
                    self._away(error)
                self._alone_until = now + AWAY_SECONDS
        if grant is None:
            corrections = own_corrections
            grant = await own.reserve(wanted, self.limit.share(self._workers))
        # Where few had room, few are asked for the next time.
        self._at_once = min(MOST_AT_ONCE, max(FEWEST_AT_ONCE, 2 * grant.granted)) if grant.wait else MOST_AT_ONCE
        for number, load in enumerate(wanted[: grant.granted], grant.first):
            _, future = self._waiting.popleft()
            ticket = Ticket(number, grant.slot, load, corrections, asyncio.get_running_loop().time)
            if future.done():
                ticket.unused()
            else:
                future.set_result(ticket)
        return grant.wait

    def _somebody_waits(self) -> bool:
        """Forget the first of those who wait no longer; whether anybody is left."""
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
        return bool(self._waiting)
