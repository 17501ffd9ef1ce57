"""Answers that were paid for and never arrived: fetched where their provider keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from fanzgpt_workers.core.attempts import PastAttempt
from fanzgpt_workers.errors import OutputRefused, ProviderError
from fanzgpt_workers.lifecycle.accounting import accounted
from fanzgpt_workers.lifecycle.books import Books
from fanzgpt_workers.lifecycle.calling import Answered
from fanzgpt_workers.lifecycle.events import Course
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.lifecycle.waits import Waits
from fanzgpt_workers.ports import Clock, Completion, Pricing, Prompts, StoredAnswers

PATIENCE: Final = timedelta(seconds=10)
"""After its row was written a call may still be under way at its provider; so long a provider may be away, too."""
FIRST_LOOK_SECONDS: Final = 0.2
LONGEST_LOOK_SECONDS: Final = 2.0


class FetchingWatcher(Protocol):
    """Told what happens, for metrics and logs; must return at once."""

    def fetched(self, request: LiveRequest, attempt: PastAttempt) -> None:
        """A lost answer was found, and is not paid for again."""
        ...

    def not_fetched(self, request: LiveRequest, attempt: PastAttempt, error: ProviderError | None) -> None:
        """There is none, or its provider would not say; what follows is as for any unknown outcome."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """No answer was found that can be used: the attempts as they stand now."""

    past: Sequence[PastAttempt]


class Fetching:
    """Looks for the answers of attempts whose outcome is unknown; holds no state of any request.

    Promise: no call is paid for by it. An answer that is found settles its attempt, at the price of the day it was
    given, whether it can be used or not.
    """

    def __init__(
        self,
        stored: Mapping[str, StoredAnswers],
        *,
        books: Books,
        prompts: Prompts,
        pricing: Pricing,
        clock: Clock,
        watcher: FetchingWatcher,
    ) -> None:
        """`stored` are the providers that keep answers, by name."""
        self._stored = stored
        self._books = books
        self._prompts = prompts
        self._pricing = pricing
        self._clock = clock
        self._watcher = watcher
        self._waits = Waits()

    def let_go(self) -> None:
        """A drain begins: whoever looks again later leaves."""
        self._waits.let_go()

    async def answer(
        self, request: LiveRequest, past: Sequence[PastAttempt], *, began: datetime
    ) -> Answered | Remaining:
        """The answer of the first unknown attempt that has one; raises LetGo when a drain begins before that is known.

        An answer that its prompt refuses settles its attempt, which is unknown no more.
        """
        remaining = list(past)
        for place, attempt in enumerate(past):
            if attempt.outcome != "unknown" or attempt.provider not in self._stored:
                continue
            completion = await self._found(request, attempt)
            if completion is None:
                continue
            self._watcher.fetched(request, attempt)
            usage = completion.usage
            model, price = completion.model or attempt.model, None
            if usage is not None:
                price = self._pricing.price(provider=attempt.provider, model=model, usage=usage, at=attempt.started_at)
            course = Course(
                attempts=len(past),
                latency_ms=max(0, round((self._clock.now() - began).total_seconds() * 1000)),
                provider=attempt.provider,
                model=attempt.model,
                prompt_version=self._prompts.render(request.event).version,
            )
            ended, course = accounted(
                completion, course, attempt_id=attempt.attempt_id, usage=usage, price=price, call_ms=None
            )
            try:
                output = self._prompts.read(request.event, completion)
            except OutputRefused:
                await self._books.settle(ended)
                remaining[place] = replace(attempt, outcome="ok")
                continue
            return Answered(output=output, course=course, attempt=ended)
        return Remaining(past=remaining)

    async def _found(self, request: LiveRequest, attempt: PastAttempt) -> Completion | None:
        asked, pause = self._clock.now(), FIRST_LOOK_SECONDS
        while True:
            error: ProviderError | None = None
            try:
                completion = await self._stored[attempt.provider].find(attempt.attempt_id, model=attempt.model)
            except ProviderError as refused:
                completion, error = None, refused
            if completion is not None:
                return completion
            until = (attempt.started_at if error is None else asked) + PATIENCE
            if self._clock.now() >= until or (error is not None and not error.retryable):
                self._watcher.not_fetched(request, attempt, error)
                return None
            await self._waits.sleep(pause)
            pause = min(2 * pause, LONGEST_LOOK_SECONDS)
