"""The way to a provider: past its breaker, then past its limits, and what is told of the call afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fanzgpt_workers.core.attempts import Outcome, Usage
from fanzgpt_workers.core.headroom import Headroom
from fanzgpt_workers.core.retry import UNBILLED
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import ProviderError
from fanzgpt_workers.ports import Breakers, Limits, Passage, Permit

LONGEST_REST: Final = 3600.0
"""Seconds for which a provider is left alone at most at its own word; then it is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What is known of a call's size beforehand."""

    kind: str
    prompt_characters: int
    most_output: int


class Entry:
    """One call that may be made now, to `target`. Whoever has it says how it ended, once."""

    __slots__ = ("_passage", "_permit", "target")

    def __init__(self, target: Target, permit: Permit | None, passage: Passage | None) -> None:
        """Given out by a door."""
        self.target: Final = target
        self._permit = permit
        self._passage = passage

    def sent(self) -> None:
        """The call goes out now."""
        if self._passage is not None:
            self._passage.sent()

    def unused(self) -> None:
        """No call was made."""
        self._over("cancelled", None, counted=False)

    def failed(self, outcome: Outcome, *, again: bool, headroom: Headroom | None = None) -> None:
        """There is no answer; `again` where this request has failed at this target before."""
        self._over(outcome, None, headroom, counted=outcome not in UNBILLED, again=again)

    def answered(self, usage: Usage | None, headroom: Headroom | None) -> None:
        """There is one."""
        self._over("ok", usage, headroom, counted=True)

    def _over(
        self,
        outcome: Outcome,
        usage: Usage | None,
        headroom: Headroom | None = None,
        *,
        counted: bool,
        again: bool = False,
    ) -> None:
        if self._permit is not None:
            self._permit.over(outcome, again=again)
        if self._passage is not None:
            self._passage.over(outcome, usage, headroom, counted=counted)


class Door:
    """Lets calls through when their provider may be called; without breakers and limits, always."""

    def __init__(self, *, breakers: Breakers | None = None, limits: Limits | None = None) -> None:
        """What calls wait for."""
        self._breakers = breakers
        self._limits = limits

    async def enter(self, chain: Sequence[Target], size: Size) -> Entry:
        """Return once one of the chain may be called, the first where possible; raises LetGo when told to."""
        while True:
            permit = None if self._breakers is None else await self._breakers.enter(chain)
            target = chain[0] if permit is None else permit.target
            entry = Entry(target, permit, await self._passage(target, permit, size))
            if permit is None or permit.holds():
                return entry
            entry.unused()  # its breaker has opened while the call waited for its limits

    async def heard(self, target: Target, error: ProviderError) -> None:
        """Nobody calls before the provider wants to be called again, where it has said so."""
        if not error.retry_after:
            return
        seconds = min(error.retry_after, LONGEST_REST)
        if self._limits is not None and error.outcome == "throttled":
            await self._limits.close(target, seconds)
        if self._breakers is not None:
            await self._breakers.rest(target, seconds, is_down=error.outcome != "throttled")

    async def _passage(self, target: Target, permit: Permit | None, size: Size) -> Passage | None:
        if self._limits is None:
            return None
        try:
            return await self._limits.enter(
                target,
                kind=size.kind,
                prompt_characters=size.prompt_characters,
                most_output=size.most_output,
            )
        except BaseException:
            if permit is not None:
                permit.over("cancelled")
            raise
