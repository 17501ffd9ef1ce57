"""Growing answers, shown in steps: what came within a moment goes out together, for all requests at once."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.ports import ContentFilter, Growing, Prompt

STEP_SECONDS: Final = 0.04
"""Short enough to read along, long enough that a fast model's words share a step."""

AWAY_SECONDS: Final = 1.0
"""Between two tries at an outlet that is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A piece of an attempt's answer, and how many characters were shown before it."""

    request_key: UUID
    attempt: int
    at: int
    text: str


class Outlet(Protocol):
    """Where steps go, and watchers read them."""

    async def show(self, steps: Sequence[Step]) -> None:
        """Show them; raises CacheUnavailable, and then they may have been shown or not."""
        ...


class PartialAnswers:
    """Implements `ports.Partials`. Holds the answers under way, for as long as somebody holds theirs.

    Promises: the steps of an attempt follow each other without a gap, each says where it belongs, and none holds a
    part of a blocked term. While the outlet is away nothing is lost: the next step holds what was to be shown.
    """

    def __init__(
        self,
        outlet: Outlet,
        *,
        preview: Callable[[str], str],
        content_filter: ContentFilter | None,
        away: Callable[[Exception], None],
    ) -> None:
        """`preview` gives what may be shown of a text as far as it has come; `away` is told when the outlet fails."""
        self._outlet = outlet
        self._preview = preview
        self._filter = content_filter
        self._tell_away = away
        self._grown: dict[_Answer, None] = {}
        self._some = asyncio.Event()

    def begin(self, request_key: UUID, request: GenerationRequested, prompt: Prompt, *, attempt: int) -> Growing | None:
        """See `ports.Partials`: an answer that has to be JSON is of no use in parts."""
        if not request.stream or prompt.output_schema is not None or prompt.speech is not None:
            return None
        return _Answer(request_key, attempt, self._has_grown)

    async def follow(self) -> None:
        """Show what grows, until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(STEP_SECONDS)
            self._some.clear()
            grown, self._grown = self._grown, {}
            steps = {answer: step for answer in grown if (step := self._step(answer)) is not None}
            if not steps:
                continue
            try:
                await self._outlet.show(tuple(steps.values()))
            except CacheUnavailable as error:
                self._tell_away(error)
                for answer in steps:
                    self._has_grown(answer)
                await asyncio.sleep(AWAY_SECONDS)
            else:
                for answer, step in steps.items():
                    answer.shown = step.at + len(step.text)

    def _step(self, answer: "_Answer") -> Step | None:
        text = self._preview(answer.text())
        until = len(text) if self._filter is None else self._filter.releasable(text, answer.shown)
        if until <= answer.shown:
            return None
        return Step(
            request_key=answer.request_key, attempt=answer.attempt, at=answer.shown, text=text[answer.shown : until]
        )

    def _has_grown(self, answer: "_Answer") -> None:
        self._grown[answer] = None
        self._some.set()


class _Answer:
    """One attempt's answer so far."""

    __slots__ = ("_has_grown", "_pieces", "attempt", "characters", "request_key", "shown")

    def __init__(self, request_key: UUID, attempt: int, has_grown: "Callable[[_Answer], None]") -> None:
        self.request_key = request_key
        self.attempt = attempt
        self.characters = 0
        self.shown = 0
        self._pieces: list[str] = []
        self._has_grown = has_grown

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        self.characters += len(piece)
        self._has_grown(self)

    def text(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""
