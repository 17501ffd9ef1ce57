"""Every provider's limits, and how many tokens a call is expected to take."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from fanzgpt_workers.core.attempts import Usage
from fanzgpt_workers.core.load import UNLIMITED, Limit
from fanzgpt_workers.limits.expected import Expected
from fanzgpt_workers.limits.gate import Gate, Ticket
from fanzgpt_workers.limits.minute import Minute
from fanzgpt_workers.ports import Passage

_MOST_KINDS: Final = 1_000


class _Passage:
    """Implements `ports.Passage`."""

    __slots__ = ("_expected", "_prompt_characters", "_ticket", "_uncached")

    def __init__(self, ticket: Ticket, expected: Expected, prompt_characters: int, *, uncached: bool) -> None:
        self._ticket = ticket
        self._expected = expected
        self._prompt_characters = prompt_characters
        self._uncached = uncached

    def sent(self) -> None:
        """See the port."""
        self._ticket.sent()

    def over(self, usage: Usage | None, *, counted: bool = True) -> None:
        """See the port."""
        if not counted:
            self._ticket.unused()
        elif usage is not None:
            read = (usage.cache_read or 0) if self._uncached else 0
            self._expected.ended(
                prompt_characters=self._prompt_characters, input_tokens=usage.input, output_tokens=usage.output
            )
            self._ticket.over(input_tokens=usage.input - read, output_tokens=usage.output)


class _Free:
    """A passage where nothing is limited."""

    __slots__ = ()

    def sent(self) -> None:
        """Nobody counts."""

    def over(self, usage: Usage | None, *, counted: bool = True) -> None:
        """Nobody counts."""


_FREE: Final = _Free()


class ProviderLimits:
    """Implements `ports.Limits`: a gate for each model of a limited provider, none for the others.

    What a call will take is learned from the calls of its kind; the truth corrects the window at the call's end. Where
    input has a limit of its own, what the provider read from its cache does not count, as providers have it.
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
        self._outputs: dict[tuple[str, str, str], Expected] = {}

    @property
    def waiting(self) -> int:
        """Calls that wait for their provider's limit."""
        return sum(gate.waiting for gate in self._gates.values())

    async def enter(self, *, provider: str, model: str, kind: str, prompt_characters: int, most_output: int) -> Passage:
        """See the port."""
        gate = self._gate(provider, model)
        if gate is None:
            return _FREE
        expected = self._outputs.get((provider, model, kind))
        if expected is None:
            if len(self._outputs) >= _MOST_KINDS:  # callers may name any model
                self._outputs.clear()
            expected = self._outputs[provider, model, kind] = Expected(most_output)
        load = partial(expected.load, prompt_characters=prompt_characters, most=most_output)
        ticket = await gate.enter(load)
        return _Passage(ticket, expected, prompt_characters, uncached=self._limits[provider].input_tokens < UNLIMITED)

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
