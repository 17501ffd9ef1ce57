"""Every provider's limits, and how many tokens a call is expected to take."""

from collections.abc import Callable
from functools import partial
from typing import Final

from fanzgpt_workers.core.attempts import Outcome, Usage
from fanzgpt_workers.core.headroom import Headroom
from fanzgpt_workers.core.load import UNLIMITED, Limit
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.limits.adaptive import Adaptive
from fanzgpt_workers.limits.expected import Expected
from fanzgpt_workers.limits.gate import Gate, Known, Ticket
from fanzgpt_workers.limits.memory_minute import MemoryMinute
from fanzgpt_workers.limits.minute import Minute
from fanzgpt_workers.ports import Passage

_MOST_KINDS: Final = 1_000


class _Limited:
    """Implements `ports.Passage` where limits are known."""

    __slots__ = ("_expected", "_gate", "_prompt_characters", "_ticket")

    def __init__(self, gate: Gate, ticket: Ticket, expected: Expected, prompt_characters: int) -> None:
        self._gate = gate
        self._ticket = ticket
        self._expected = expected
        self._prompt_characters = prompt_characters

    def sent(self) -> None:
        """See the port."""
        self._ticket.sent()

    def over(self, outcome: Outcome, usage: Usage | None, headroom: Headroom | None, *, counted: bool) -> None:  # noqa: ARG002  # as the port has it
        """See the port."""
        if headroom is not None:
            self._gate.hear(headroom)
            self._ticket.told(headroom)
        if not counted:
            self._ticket.unused()
        elif usage is None:
            self._ticket.unknown()
        else:
            # Where input has a limit of its own, what the provider read from its cache does not count.
            cached = (usage.cache_read or 0) if self._gate.limit.input_tokens < UNLIMITED else 0
            self._expected.ended(
                prompt_characters=self._prompt_characters, input_tokens=usage.input, output_tokens=usage.output
            )
            self._ticket.over(input_tokens=usage.input - cached, output_tokens=usage.output)


class _Unlimited:
    """Implements `ports.Passage` where none are known."""

    __slots__ = ("_adaptive", "_flight", "_heard", "_target")

    def __init__(self, adaptive: Adaptive, flight: int, heard: Callable[[Target, Limit], None], target: Target) -> None:
        self._adaptive = adaptive
        self._flight = flight
        self._heard = heard
        self._target = target

    def sent(self) -> None:
        """Nobody counts."""

    def over(self, outcome: Outcome, usage: Usage | None, headroom: Headroom | None, *, counted: bool) -> None:  # noqa: ARG002  # as the port has it
        """See the port."""
        self._adaptive.over(self._flight, outcome)
        if headroom is not None:
            self._heard(self._target, headroom.limit())


class ProviderLimits:
    """Implements `ports.Limits`: each model of a limited provider has a gate; the others bear what they bear.

    What a call will take is learned from the calls of its kind; the truth corrects the window at the call's end. A
    limit that nobody stated is known as soon as the provider states it.
    """

    def __init__(
        self,
        limit_of: Callable[[Target], Known | None],
        *,
        shared: Callable[[Target], Minute],
        own: Callable[[], MemoryMinute],
        away: Callable[[Exception], None],
    ) -> None:
        """`limit_of` knows what is stated; `shared` makes a target's window, `own` one of this process."""
        self._limit_of = limit_of
        self._shared = shared
        self._own = own
        self._away = away
        self._gates: dict[Target, Gate] = {}
        self._adaptive: dict[Target, Adaptive] = {}
        self._kinds: dict[tuple[Target, str], Expected] = {}

    @property
    def waiting(self) -> int:
        """Calls that wait for their provider's limit."""
        waits: list[Gate | Adaptive] = [*self._gates.values(), *self._adaptive.values()]
        return sum(each.waiting for each in waits)

    async def enter(self, target: Target, *, kind: str, prompt_characters: int, most_output: int) -> Passage:
        """See the port."""
        gate = self._gate(target)
        if gate is None:
            adaptive = self._adaptive.get(target)
            if adaptive is None:
                if len(self._adaptive) >= _MOST_KINDS:  # as above
                    self._adaptive.clear()
                adaptive = self._adaptive[target] = Adaptive()
            return _Unlimited(adaptive, await adaptive.enter(), self._stated, target)
        expected = self._kinds.get((target, kind))
        if expected is None:
            if len(self._kinds) >= _MOST_KINDS:  # callers may name any model
                self._kinds.clear()
            expected = self._kinds[target, kind] = Expected(most_output)
        ticket = await gate.enter(partial(expected.load, prompt_characters=prompt_characters, most=most_output))
        return _Limited(gate, ticket, expected, prompt_characters)

    def let_go(self) -> None:
        """See the port."""
        for gate in self._gates.values():
            gate.let_go()
        for adaptive in self._adaptive.values():
            adaptive.let_go()

    async def close(self, target: Target, seconds: float) -> None:
        """See the port."""
        gate = self._gate(target)
        if gate is not None:
            await gate.close(seconds)

    def _gate(self, target: Target) -> Gate | None:
        gate = self._gates.get(target)
        if gate is None and target not in self._adaptive:
            known = self._limit_of(target)
            if known is not None:
                return self._limited(target, known)
        return gate

    def _limited(self, target: Target, known: Known) -> Gate:
        if len(self._gates) >= _MOST_KINDS:  # callers may name any model; gates in use are kept by their users
            self._gates.clear()
        gate = self._gates[target] = Gate(self._shared(target), self._own(), known, away=self._away)
        return gate

    def _stated(self, target: Target, limit: Limit) -> None:
        """A provider whose limits nobody knew has stated them."""
        if target in self._adaptive and limit != Limit():
            del self._adaptive[target]  # its calls under way, and those that wait there, keep it until they are over
            self._limited(target, Known(limit, stated=False))
