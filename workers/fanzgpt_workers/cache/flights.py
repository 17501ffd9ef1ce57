"""One call for one question: whoever asks the same meanwhile, here or in any other worker, waits for its answer."""

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, Literal, Protocol

from fanzgpt_workers.cache.keeper import LEASE_SECONDS, Found, Keeper, Lease, Look, Theirs, Yours
from fanzgpt_workers.cache.kept_text import read, write
from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.lifecycle.batching import Batcher
from fanzgpt_workers.lifecycle.waits import Waits
from fanzgpt_workers.ports import KnownAnswer

FIRST_LOOK_SECONDS: Final = 0.05
LONGEST_LOOK_SECONDS: Final = 0.5
AWAY_SECONDS: Final = 1.0
"""For so long nobody asks a keeper that did not answer: each ask would wait for it anew."""
MOST_AT_ONCE: Final = 256


class CacheObserver(Protocol):
    """Told of every question; must return at once."""

    def asked(self, how: Literal["kept", "shared", "called", "alone"]) -> None:
        """`kept`: it was in the cache; `shared`: somebody else's call; `called`: its own; `alone`: without a keeper."""
        ...

    def cache_away(self, error: Exception) -> None:
        """Nothing is kept and nothing found until it is back."""
        ...


class _Over(Enum):
    """Why a flight ended without an answer."""

    LEFT = "left"
    FAILED = "failed"


class _Flight:
    """One question that is being asked by somebody of this process."""

    __slots__ = ("followers", "is_leading", "lease")

    def __init__(self, lease: Lease) -> None:
        self.followers: list[asyncio.Future[KnownAnswer | _Over]] = []
        self.lease = lease
        self.is_leading = False


class Part:
    """Implements `ports.Asking`; without a flight this request asks for itself alone."""

    __slots__ = ("_flights", "_key", "known")

    def __init__(self, known: KnownAnswer | None, *, flights: "Flights | None" = None, key: str = "") -> None:
        """Given out by `Flights`."""
        self.known: Final = known
        self._flights = flights
        self._key = key

    def answered(self, answer: KnownAnswer) -> None:
        """See the port."""
        if self._flights is not None:
            self._flights.landed(self._key, answer)

    def unanswered(self) -> None:
        """See the port."""
        if self._flights is not None:
            self._flights.broke_off(self._key, _Over.FAILED)

    def left(self) -> None:
        """See the port."""
        if self._flights is not None:
            self._flights.broke_off(self._key, _Over.LEFT)


class Flights:
    """Implements `ports.Answers`.

    The first to ask a question in this process looks for its answer, and leads if the keeper says so; the others of
    this process wait for it. Where another worker leads, the first looks again and again: the leader's lease ends with
    its worker. While the keeper is away every process leads for itself.
    """

    def __init__(self, keeper: Keeper, *, worker: str, time: Callable[[], float], observer: CacheObserver) -> None:
        """`worker` names this process; `time` in seconds, never falling."""
        self._keeper = keeper
        self._worker = worker
        self._led = 0
        self._time = time
        self._observer = observer
        self._flying: dict[str, _Flight] = {}
        self._waits = Waits()
        self._waiting = 0
        self._away_until = 0.0
        self._looks: Batcher[Lease, Look | None] = Batcher(self._look, limit=MOST_AT_ONCE, away=observer.cache_away)
        self._ends: Batcher[tuple[Lease, str], None] = Batcher(self._end, limit=MOST_AT_ONCE, away=observer.cache_away)
        self._holding: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Requests that wait for a call of somebody else's in this process."""
        return self._waiting

    async def enter(self, key: str) -> Part:
        """See the port."""
        while (flight := self._flying.get(key)) is not None:
            known = await self._followed(flight)
            if isinstance(known, KnownAnswer):
                self._observer.asked("shared")
                return Part(known)
            if known is _Over.FAILED:
                self._observer.asked("called")
                return Part(None)
        self._led += 1
        flight = self._flying[key] = _Flight(Lease(key, f"{self._worker}/{self._led}"))
        try:
            return await self._first(key, flight)
        except BaseException:
            self.broke_off(key, _Over.LEFT)
            raise

    def let_go(self) -> None:
        """See the port."""
        self._waits.let_go()

    def landed(self, key: str, answer: KnownAnswer) -> None:
        """The call of this process that all wait for was answered."""
        self._over(key, answer, text=write(answer) or "")

    def broke_off(self, key: str, why: _Over) -> None:
        """There is no answer from this process."""
        self._over(key, why, text="")

    async def close(self) -> None:
        """Wait for what is still to be kept."""
        await self._ends.settle()
        if self._holding is not None:
            self._holding.cancel()

    async def _first(self, key: str, flight: _Flight) -> Part:
        """Look until the answer is there or this process leads."""
        pause, first = FIRST_LOOK_SECONDS, True
        while True:
            match await self._looked(flight.lease):
                case Found(text) if (known := read(text)) is not None:
                    self._over(key, known)
                    self._observer.asked("kept" if first else "shared")
                    return Part(known)
                case Yours():
                    flight.is_leading = True
                    if self._holding is None:
                        self._holding = asyncio.create_task(self._hold())
                    self._observer.asked("called")
                    return Part(None, flights=self, key=key)
                case Theirs():
                    first = False
                    await self._waits.sleep(pause)
                    pause = min(2 * pause, LONGEST_LOOK_SECONDS)
                case Found():  # of another make: to be written over
                    self._observer.asked("called")
                    return Part(None, flights=self, key=key)
                case None:
                    self._observer.asked("alone")
                    return Part(None, flights=self, key=key)

    async def _followed(self, flight: _Flight) -> KnownAnswer | _Over:
        future: asyncio.Future[KnownAnswer | _Over] = asyncio.get_running_loop().create_future()
        flight.followers.append(future)
        self._waiting += 1
        try:
            return await self._waits.wait(future)
        finally:
            self._waiting -= 1

    async def _looked(self, lease: Lease) -> Look | None:
        """What the keeper says; a lease that comes too late for whoever asked for it is given up."""
        look = self._looks.submit(lease)
        try:
            return await asyncio.shield(look)
        except asyncio.CancelledError:
            look.add_done_callback(lambda _: self._end_soon(lease, ""))
            raise

    def _over(self, key: str, outcome: KnownAnswer | _Over, *, text: str = "") -> None:
        flight = self._flying.pop(key, None)
        if flight is None:
            return
        if text or flight.is_leading:
            self._end_soon(flight.lease, text)
        for future in flight.followers:
            if not future.done():
                future.set_result(outcome)

    def _end_soon(self, lease: Lease, text: str) -> None:
        """Keep the text, and give up the lease; nobody waits for it."""
        self._ends.submit((lease, text)).add_done_callback(asyncio.Future.exception)

    async def _look(self, wanted: Sequence[Lease]) -> Sequence[Look | None]:
        if self._away_until > self._time():
            return [None] * len(wanted)
        try:
            return await self._keeper.look(wanted)
        except CacheUnavailable as error:
            self._is_away(error)
            return [None] * len(wanted)

    async def _end(self, ends: Sequence[tuple[Lease, str]]) -> Sequence[None]:
        # What is not kept now is called for again; a lease that is not given up ends by itself.
        if self._away_until <= self._time():
            try:
                await self._keeper.end(ends)
            except CacheUnavailable as error:
                self._is_away(error)
        return [None] * len(ends)

    async def _hold(self) -> None:
        """Hold the leases of this process for as long as it has any."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            held = [flight.lease for flight in self._flying.values() if flight.is_leading]
            if not held:
                self._holding = None
                return
            try:
                await self._keeper.hold(held)
            except CacheUnavailable as error:
                self._is_away(error)

    def _is_away(self, error: Exception) -> None:
        self._away_until = self._time() + AWAY_SECONDS
        self._observer.cache_away(error)
