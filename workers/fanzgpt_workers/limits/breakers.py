"""Breakers: a model that is down is left alone by every worker, and asked by one call at a time whether it is back."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Final, Protocol

from fanzgpt_workers.core.attempts import Outcome
from fanzgpt_workers.core.breaker import FAILURES, SILENT, BreakerPolicy, ErrorRate, Standing, first_callable
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import CacheUnavailable, LetGo
from fanzgpt_workers.limits.board import Board

LOOK_SECONDS: Final = 0.5
"""How late a worker may hear what another one has found."""
_SOON: Final = 0.02
_MOST_TARGETS: Final = 1_000


class BreakerObserver(Protocol):
    """Told of changes; must return at once."""

    def breaker_opened(self, target: Target) -> None:
        """This worker has found the target down."""
        ...

    def breaker_closed(self, target: Target) -> None:
        """This worker's probe was answered."""
        ...

    def redis_away(self, error: Exception) -> None:
        """Each worker keeps to what it knows itself."""
        ...


class _Known:
    """A target as this worker knows it. `version` counts what the worker found out itself."""

    __slots__ = ("is_probing", "rate", "rests_until", "tripped", "version")

    def __init__(self, policy: BreakerPolicy) -> None:
        self.rate = ErrorRate(policy)
        self.tripped = False
        self.rests_until = 0.0
        self.is_probing = False
        self.version = 0

    def standing(self, now: float) -> Standing:
        return Standing(self.tripped, max(0.0, self.rests_until - now))


class Permit:
    """Implements `ports.Permit`."""

    __slots__ = ("_breakers", "_is_probe", "_known", "target")

    def __init__(self, breakers: "Breakers", target: Target, known: _Known, *, is_probe: bool) -> None:
        """Given out by `Breakers`."""
        self.target: Final = target
        self._known = known
        self._breakers = breakers
        self._is_probe = is_probe

    def holds(self) -> bool:
        """See the port."""
        return self._is_probe or self._breakers.is_open_to_all(self._known)

    def over(self, outcome: Outcome, *, again: bool = False) -> None:
        """See the port."""
        if self._is_probe:
            self._breakers.probed(self.target, self._known, outcome)
        elif not self._known.tripped and not (again and outcome in FAILURES):
            self._breakers.ended(self.target, self._known, outcome)


class Breakers:
    """Implements `ports.Breakers`.

    Each worker counts its own calls' ends. What one finds (down, well again, wants to be left alone until then) is on
    the board for all, and read by all within half a second. Without the board each worker goes by what it knows itself.
    """

    def __init__(
        self,
        board: Board,
        *,
        policy: BreakerPolicy,
        probe_seconds: float,
        time: Callable[[], float],
        observer: BreakerObserver,
    ) -> None:
        """`probe_seconds` is the longest a probe may take; `time` in seconds, never falling."""
        self._board = board
        self._policy = policy
        self._probe_seconds = probe_seconds
        self._time = time
        self._observer = observer
        self._targets: dict[Target, _Known] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._writing: set[asyncio.Task[None]] = set()
        self._away = False

    @property
    def waiting(self) -> int:
        """Calls that wait because nobody may make them now."""
        return len(self._waiting)

    async def enter(self, chain: Sequence[Target]) -> Permit:
        """See the port."""
        while True:
            known = [self._known(target) for target in chain]
            now = self._time()
            standings = [each.standing(now) for each in known]
            place = first_callable(standings)
            for target, each, standing in list(zip(chain, known, standings, strict=True))[:place]:
                if (
                    standing.tripped
                    and standing.rests <= 0
                    and not each.is_probing
                    and await self._may_probe(target, each)
                ):
                    return Permit(self, target, each, is_probe=True)
            if place is not None:
                return Permit(self, chain[place], known[place], is_probe=False)
            await self._change(min(standing.rests for standing in standings))

    def is_open_to_all(self, known: _Known) -> bool:
        """Whether any call may be made to it now."""
        return not known.tripped and known.rests_until <= self._time()

    async def rest(self, target: Target, seconds: float, *, is_down: bool) -> None:
        """See the port."""
        known = self._known(target)
        if is_down:
            if not known.tripped:
                self._observer.breaker_opened(target)
            self._trip(target, known, seconds)
            return
        known.rests_until = max(known.rests_until, self._time() + seconds)
        known.version += 1
        await self._told(self._board.rest(target, seconds))

    def let_go(self) -> None:
        """See the port."""
        for future in self._waiting:
            if not future.done():
                future.set_exception(LetGo("the process drains"))

    def ended(self, target: Target, known: _Known, outcome: Outcome) -> None:
        """A call to a target that was thought well is over."""
        if known.rate.ended(outcome, self._time()):
            self._observer.breaker_opened(target)
            self._trip(target, known, self._policy.probe_after)

    def probed(self, target: Target, known: _Known, outcome: Outcome) -> None:
        """The call that probed is over."""
        known.is_probing = False
        if outcome in SILENT:
            self._trip(target, known, _SOON)
        elif outcome in FAILURES:
            self._trip(target, known, self._policy.probe_after)
        else:
            self._observer.breaker_closed(target)
            known.tripped, known.rests_until = False, 0.0
            known.version += 1
            known.rate.forget()
            self._write(self._board.heal(target))
            self._wake()

    async def follow(self) -> None:
        """Read the board every half second, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._look()

    async def close(self) -> None:
        """Wait for what is still to be written."""
        await asyncio.gather(*self._writing)

    async def _look(self) -> None:
        looked_at = list(self._targets.items())
        if not looked_at:
            return
        versions = [known.version for _, known in looked_at]
        try:
            standings = await self._board.look([target for target, _ in looked_at])
        except CacheUnavailable as error:
            self._is_away(error)
            return
        self._away = False
        now, changed = self._time(), False
        for (_, known), version, standing in zip(looked_at, versions, standings, strict=True):
            if known.version != version or self._writing:
                continue  # this worker knows better than what was just read
            changed |= known.tripped and not standing.tripped
            known.tripped, known.rests_until = standing.tripped, now + standing.rests
        if changed:
            self._wake()

    async def _may_probe(self, target: Target, known: _Known) -> bool:
        known.is_probing = True
        try:
            claimed = await self._board.claim_probe(target, self._probe_seconds)
        except CacheUnavailable as error:
            self._is_away(error)
            claimed = True
        except BaseException:
            known.is_probing = False
            raise
        if not claimed:
            known.is_probing = False
            known.rests_until = max(known.rests_until, self._time() + LOOK_SECONDS)
        return claimed

    def _trip(self, target: Target, known: _Known, seconds: float) -> None:
        known.tripped, known.rests_until = True, self._time() + seconds
        known.version += 1
        known.rate.forget()
        self._write(self._board.trip(target, seconds))
        self._wake()  # whoever waited to be next has a fallback, perhaps

    def _known(self, target: Target) -> _Known:
        known = self._targets.get(target)
        if known is None:
            if len(self._targets) >= _MOST_TARGETS:  # callers may name any model
                self._targets = {target: known for target, known in self._targets.items() if known.tripped}
            known = self._targets[target] = _Known(self._policy)
        return known

    async def _change(self, seconds: float) -> None:
        """Wait until something has changed, or so long."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(future, max(_SOON, min(seconds, LOOK_SECONDS) if seconds else LOOK_SECONDS))
        finally:
            self._waiting.discard(future)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _write(self, writing: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._told(writing))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _told(self, writing: Coroutine[None, None, None]) -> None:
        try:
            await writing
        except CacheUnavailable as error:
            self._is_away(error)

    def _is_away(self, error: Exception) -> None:
        if not self._away:
            self._observer.redis_away(error)
        self._away = True
