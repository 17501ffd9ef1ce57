"""Every provider's limits, and how many tokens a call is expected to take."""

from collections.abc import Callable, Mapping
from typing import Final

from fanzgpt_workers.core.attempts import Usage
from fanzgpt_workers.limits.gate import Gate, Ticket
from fanzgpt_workers.limits.minute import Limit, Minute

CHARACTERS_PER_TOKEN: Final = 4
FIRST_OUTPUT: Final = 500
"""Output tokens expected of the first call of a kind, where it may take as many."""
_WEIGHT: Final = 0.1
_MARGIN: Final = 1.25
"""Calls under way are expected to be a little longer than the last ones were: the truth is known at their end."""
_MOST_KINDS: Final = 1_000


class _Passage:
    """Implements `ports.Passage`."""

    __slots__ = ("_learn", "_ticket")

    def __init__(self, ticket: Ticket | None, learn: Callable[[int], None]) -> None:
        self._ticket = ticket
        self._learn = learn

    def over(self, usage: Usage | None, *, counted: bool = True) -> None:
        """See the port."""
        if usage is not None:
            self._learn(usage.output)
        if self._ticket is None:
            return
        if not counted:
            self._ticket.over(None)
        elif usage is not None:
            self._ticket.over(usage.input + usage.output)


class ProviderLimits:
    """Implements `ports.Limits`: a gate for each model of a limited provider, none for the others.

    A call's tokens are its prompt's characters divided by four, and the output that calls of its kind took lately; the
    truth corrects the window at the call's end.
    """

    def __init__(
        self,
        limits: Mapping[str, Limit],
        *,
        shared: Callable[[str, str], Minute],
        own: Callable[[], Minute],
        away: Callable[[Exception], None],
    ) -> None:
        """`limits` by provider; `shared` makes the window of a provider and model, `own` one of this process."""
        self._limits = limits
        self._shared = shared
        self._own = own
        self._away = away
        self._gates: dict[tuple[str, str], Gate] = {}
        self._outputs: dict[tuple[str, str, str], float] = {}

    @property
    def waiting(self) -> int:
        """Calls that wait for their provider's limit."""
        return sum(gate.waiting for gate in self._gates.values())

    async def enter(
        self, *, provider: str, model: str, kind: str, prompt_characters: int, most_output: int
    ) -> _Passage:
        """See the port."""
        key = (provider, model, kind)

        def learn(output: int) -> None:
            expected = self._outputs.get(key)
            if expected is None and len(self._outputs) >= _MOST_KINDS:
                self._outputs.clear()
            self._outputs[key] = output if expected is None else expected + _WEIGHT * (output - expected)

        gate = self._gate(provider, model)
        if gate is None:
            return _Passage(None, learn)
        output = min(most_output, round(_MARGIN * self._outputs.get(key, FIRST_OUTPUT)))
        ticket = await gate.enter(prompt_characters // CHARACTERS_PER_TOKEN + output)
        return _Passage(ticket, learn)

    def let_go(self) -> None:
        """See the port."""
        for gate in self._gates.values():
            gate.let_go()

    async def close(self, *, provider: str, model: str, seconds: float) -> None:
        """See the port."""
        gate = self._gate(provider, model)
        if gate is not None:
            await gate.close(seconds)

    def _gate(self, provider: str, model: str) -> Gate | None:
        limit = self._limits.get(provider)
        if limit is None:
            return None
        gate = self._gates.get((provider, model))
        if gate is None:
            if len(self._gates) >= _MOST_KINDS:  # callers may name any model; gates in use are kept by their users
                self._gates.clear()
            gate = Gate(self._shared(provider, model), self._own(), limit, away=self._away)
            self._gates[provider, model] = gate
        return gate
