"""From a granted request to an answer: attempts, each in the ledger before its first byte goes out."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pydantic import JsonValue

from fanzgpt_schemas.generation import Reason
from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, Cause, PastAttempt, Usage
from fanzgpt_workers.core.retry import UNBILLED, Failure, GiveUp, RetryIn, RetryPolicy, TooLate, decide
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import OutputRefused, ProviderError
from fanzgpt_workers.lifecycle.books import Books
from fanzgpt_workers.lifecycle.events import Course
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.ports import Clock, Completion, Limits, Passage, Pricing, Prompt, Prompts, Provider, ProviderCall


class _Free:
    """A passage where nothing is limited."""

    def over(self, usage: Usage | None, *, counted: bool = True) -> None:
        """Nobody counts."""


FREE: Final = _Free()
SETTLE_AT_CANCEL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPolicy:
    """How calls are made: seconds one attempt and all of them may take, retries, turns to repair a refused output.

    A request's own deadline comes first; `total_seconds` is for requests without one.
    """

    attempt_seconds: float
    total_seconds: float
    retry: RetryPolicy
    repairs: int
    max_tokens: int
    temperature: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer that passed its checks. Its attempt is not settled yet: that happens with the ending."""

    output: Mapping[str, JsonValue]
    course: Course
    attempt: AttemptEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """No answer, and no further call is allowed. Every attempt is settled."""

    reason: Reason
    detail: str
    retryable: bool
    course: Course


class Lost(Exception):  # control flow: named for what happened
    """A newer owner has the request: no call may be made, no ending saved."""


@dataclass(slots=True)
class _Tally:
    """The attempts so far, earlier owners' included."""

    attempts: int
    unbilled: int
    billed: int

    @classmethod
    def of(cls, past: Sequence[PastAttempt]) -> "_Tally":
        unbilled = sum(attempt.outcome in UNBILLED for attempt in past)
        return cls(attempts=len(past), unbilled=unbilled, billed=len(past) - unbilled)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """An attempt under way: when the request was taken up, when this call was sent, what is told of it so far."""

    attempt_id: UUID
    began: datetime
    sent: datetime
    course: Course


class Caller:
    """Makes the calls of one request after another; holds no state of any request."""

    def __init__(
        self,
        *,
        books: Books,
        providers: Mapping[str, Provider],
        prompts: Prompts,
        pricing: Pricing,
        clock: Clock,
        new_id: Callable[[], UUID],
        jitter: Callable[[], float],
        policy: CallPolicy,
        limits: Limits | None = None,
    ) -> None:
        """Wire up; without `limits` calls wait for nothing."""
        self._limits = limits
        self._books = books
        self._providers = providers
        self._prompts = prompts
        self._pricing = pricing
        self._clock = clock
        self._new_id = new_id
        self._jitter = jitter
        self._policy = policy

    async def answer(
        self,
        request: LiveRequest,
        target: Target,
        *,
        epoch: int,
        past: Sequence[PastAttempt],
        began: datetime,
        under_way: Callable[[Course], None],
    ) -> Answered | Unanswered:
        """Call until there is an answer or nothing more may be tried; raises Lost when the request has a newer owner.

        Each attempt's row is durable before its call. A failed attempt is settled before the next begins. `under_way`
        is told of each attempt as its call begins. Cancelled, it closes the call and settles the attempt as such.
        """
        prompt = self._prompts.render(request.event)
        tally, repairs = _Tally.of(past), 0
        cause: Cause = "redelivery" if past else "first"
        while True:
            passage = await self._pass(request, target, prompt, began)
            if isinstance(passage, Unanswered):
                return replace(passage, course=replace(passage.course, attempts=tally.attempts))
            attempt_id = self._new_id()
            tally.attempts += 1
            started = AttemptStarted(
                attempt_id=attempt_id,
                request_key=request.key,
                epoch=epoch,
                ordinal=tally.attempts,
                provider=target.provider,
                model=target.model,
                cause=cause,
            )
            if not await self._books.start(started):
                passage.over(None, counted=False)
                raise Lost
            attempt = self._attempt(attempt_id, target, prompt, tally, began)
            under_way(attempt.course)
            try:
                completion = await self._call(request, target, prompt, attempt)
            except ProviderError as error:
                passage.over(None, counted=error.outcome not in UNBILLED)
                await self._close(target, error)
                unanswered = await self._after_failure(request, error, attempt, tally)
                if unanswered is not None:
                    return unanswered
                cause = "retry"
                continue
            tally.billed += 1
            passage.over(completion.usage)
            ended, course = self._account(target, completion, attempt)
            try:
                output = self._prompts.read(request.event, completion)
            except OutputRefused as refused:
                await self._books.settle(ended)
                if not refused.repairable:
                    return Unanswered(reason="output", detail=str(refused), retryable=False, course=course)
                if repairs >= self._policy.repairs or tally.billed >= self._policy.retry.billed_attempts:
                    return Unanswered(reason="output", detail=str(refused), retryable=True, course=course)
                repairs += 1
                cause = "repair"
                prompt = self._prompts.repair(prompt, completion, str(refused))
                continue
            return Answered(output=output, course=course, attempt=ended)

    async def _pass(
        self, request: LiveRequest, target: Target, prompt: Prompt, began: datetime
    ) -> Passage | Unanswered:
        """Wait for the provider's limits, up to the request's last moment."""
        if self._limits is None:
            return FREE
        left = (self._last_moment(request, began) - self._clock.now()).total_seconds()
        try:
            async with asyncio.timeout(left):
                return await self._limits.enter(
                    provider=target.provider,
                    model=target.model,
                    kind=request.event.type,
                    prompt_characters=len(prompt.system) + sum(len(turn.text) for turn in prompt.turns),
                    most_output=self._most_output(request),
                )
        except TimeoutError:
            course = Course(attempts=0, latency_ms=_ms(began, self._clock.now()))
            detail = f"{target.provider} had no room for another call within the request's time"
            if request.event.deadline is not None:
                return Unanswered(reason="expired", detail=detail, retryable=False, course=course)
            return Unanswered(reason="provider", detail=detail, retryable=True, course=course)

    async def _close(self, target: Target, error: ProviderError) -> None:
        """Nobody calls before the provider wants to be called again."""
        if self._limits is not None and error.retry_after:
            await self._limits.close(provider=target.provider, model=target.model, seconds=error.retry_after)

    def _most_output(self, request: LiveRequest) -> int:
        return min(request.event.options.max_tokens or self._policy.max_tokens, self._policy.max_tokens)

    def _attempt(self, attempt_id: UUID, target: Target, prompt: Prompt, tally: _Tally, began: datetime) -> _Attempt:
        sent = self._clock.now()
        course = Course(
            attempts=tally.attempts,
            latency_ms=_ms(began, sent),
            provider=target.provider,
            model=target.model,
            prompt_version=prompt.version,
        )
        return _Attempt(attempt_id=attempt_id, began=began, sent=sent, course=course)

    async def _call(self, request: LiveRequest, target: Target, prompt: Prompt, attempt: _Attempt) -> Completion:
        options = request.event.options
        left = (self._last_moment(request, attempt.began) - attempt.sent).total_seconds()
        call = ProviderCall(
            model=target.model,
            prompt=prompt,
            max_tokens=self._most_output(request),
            temperature=self._policy.temperature if options.temperature is None else options.temperature,
            timeout=max(0.0, min(self._policy.attempt_seconds, left)),
            request_id=request.event.request_id,
            attempt_id=attempt.attempt_id,
        )
        try:
            return await self._providers[target.provider].complete(call)
        except asyncio.CancelledError:
            settled = self._books.settle(AttemptEnded(attempt_id=attempt.attempt_id, outcome="cancelled"))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(settled), SETTLE_AT_CANCEL_SECONDS)
            raise

    async def _after_failure(
        self, request: LiveRequest, error: ProviderError, attempt: _Attempt, tally: _Tally
    ) -> Unanswered | None:
        """Settle, then wait for the next try (None) or say why there is none."""
        now = self._clock.now()
        await self._books.settle(
            AttemptEnded(
                attempt_id=attempt.attempt_id,
                outcome=error.outcome,
                response_id=error.response_id,
                latency_ms=_ms(attempt.sent, now),
                detail=error.detail,
            )
        )
        if error.outcome in UNBILLED:
            tally.unbilled += 1
        else:
            tally.billed += 1
        decision = decide(
            Failure(outcome=error.outcome, retryable=error.retryable, retry_after=error.retry_after),
            unbilled_so_far=tally.unbilled,
            billed_so_far=tally.billed,
            jitter=self._jitter(),
            seconds_left=(self._last_moment(request, attempt.began) - now).total_seconds(),
            policy=self._policy.retry,
        )
        said, course = f"{error.outcome}: {error.detail}", attempt.course
        match decision:
            case RetryIn(seconds):
                await asyncio.sleep(seconds)
                return None
            case TooLate() if request.event.deadline is not None:
                detail = f"the deadline comes before another try could begin; the last one: {said}"
                return Unanswered(reason="expired", detail=detail, retryable=False, course=course)
            case TooLate():
                detail = f"{said} (no answer within {self._policy.total_seconds:g} s)"
                return Unanswered(reason="provider", detail=detail, retryable=True, course=course)
            case GiveUp(why):
                detail = f"{said} ({why})"
                return Unanswered(reason="provider", detail=detail, retryable=error.retryable, course=course)

    def _account(self, target: Target, completion: Completion, attempt: _Attempt) -> tuple[AttemptEnded, Course]:
        now, usage, price = self._clock.now(), completion.usage, None
        if usage is not None:
            price = self._pricing.price(provider=target.provider, model=completion.model, usage=usage, at=attempt.sent)
        ended = AttemptEnded(
            attempt_id=attempt.attempt_id,
            outcome="ok",
            response_id=completion.response_id,
            usage=usage,
            price=price,
            finish_reason=completion.finish_reason,
            latency_ms=_ms(attempt.sent, now),
        )
        course = replace(
            attempt.course,
            model=completion.model,
            latency_ms=_ms(attempt.began, now),
            usage=usage,
            price=price,
            finish_reason=completion.finish_reason,
        )
        return ended, course

    def _last_moment(self, request: LiveRequest, began: datetime) -> datetime:
        return request.event.deadline or began + timedelta(seconds=self._policy.total_seconds)


def _ms(begin: datetime, end: datetime) -> int:
    return max(0, round((end - begin).total_seconds() * 1000))
