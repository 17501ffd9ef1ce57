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
from fanzgpt_schemas.requests import ImageAnalysisRequested
from fanzgpt_workers.core.attempts import (
    AttemptEnded,
    Cause,
    Outcome,
    PastAttempt,
    Usage,
    estimated,
)
from fanzgpt_workers.core.retry import UNBILLED, Failure, GiveUp, RetryIn, RetryPolicy, TooLate, decide
from fanzgpt_workers.core.routing import STAND_IN, Target
from fanzgpt_workers.core.way import Step, Way
from fanzgpt_workers.errors import InputRefused, OutputRefused, ProviderError
from fanzgpt_workers.lifecycle.accounting import accounted
from fanzgpt_workers.lifecycle.beginning import Beginning, NotBegun, Wanted, slept
from fanzgpt_workers.lifecycle.books import Books
from fanzgpt_workers.lifecycle.door import Door
from fanzgpt_workers.lifecycle.events import Course
from fanzgpt_workers.lifecycle.purse import Patience, Purse
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.media_ports import Pictures, showing
from fanzgpt_workers.ports import (
    Clock,
    Completion,
    Growing,
    Partials,
    Pricing,
    Prompt,
    Prompts,
    Provider,
    ProviderCall,
)

SETTLE_AT_CANCEL_SECONDS: Final = 2.0
ESTIMATED: Final = "tokens and cost are estimated from the part of the answer that had arrived"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPolicy:
    """How calls are made: seconds one attempt and all of them may take, retries, turns to repair a refused output.

    A request's own deadline comes first; `total_seconds` is for requests without one, and does not run while they wait
    until their provider may be called.
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


@dataclass(slots=True)
class _Tally:
    """The attempts so far, earlier owners' included; `draining` is set once a drain has begun since the first."""

    attempts: int
    unbilled: int
    billed: int
    draining: asyncio.Event

    @classmethod
    def of(cls, past: Sequence[PastAttempt], draining: asyncio.Event) -> "_Tally":
        unbilled = sum(attempt.outcome in UNBILLED for attempt in past)
        return cls(attempts=len(past), unbilled=unbilled, billed=len(past) - unbilled, draining=draining)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """An attempt under way: when the request was taken up, when this call was sent, what is told of it so far."""

    attempt_id: UUID
    target: Target
    began: datetime
    sent: datetime
    last_moment: datetime
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
        door: Door | None = None,
        partials: Partials | None = None,
        purse: Purse | None = None,
        pictures: Pictures | None = None,
    ) -> None:
        """Wire up; without a `door` calls wait for nothing, without `partials` no answer is streamed.

        Without a `purse` any call may be paid for, without `pictures` no image is looked at.
        """
        self._pictures = pictures
        self._door = door or Door()
        self._beginning = Beginning(books=books, door=self._door, purse=purse, clock=clock, new_id=new_id)
        self._partials = partials
        self._books = books
        self._providers = providers
        self._prompts = prompts
        self._pricing = pricing
        self._clock = clock
        self._jitter = jitter
        self._policy = policy
        self._draining = asyncio.Event()

    def let_go(self) -> None:
        """A drain begins: who waits for another try leaves, and whoever is in a call leaves if it fails."""
        draining, self._draining = self._draining, asyncio.Event()
        draining.set()

    async def answer(
        self,
        request: LiveRequest,
        chain: Sequence[Target],
        *,
        epoch: int,
        past: Sequence[PastAttempt],
        began: datetime,
        under_way: Callable[[Course], None],
    ) -> Answered | Unanswered:
        """Call until there is an answer or nothing more may be tried.

        Raises Lost when the request has a newer owner, InputRefused before any call for an image that is not taken, and
        LetGo where a call would be tried again after a `let_go`. The first of the chain is called as long as it is not
        down; the others are its fallbacks. Each attempt's row is durable before its call. A failed attempt is settled
        before the next begins. `under_way` is told of each attempt as its call begins. Cancelled, it closes the call
        and settles the attempt as such.
        """
        prompt = self._prompts.render(request.event)
        if not isinstance(request.event, ImageAnalysisRequested):
            return await self._ask(request, chain, prompt, epoch=epoch, past=past, began=began, under_way=under_way)
        if self._pictures is None:
            raise InputRefused("imageUrl: this worker takes no images")
        async with self._pictures.of(request.event, local=chain[0].provider == STAND_IN) as image:
            prompt = showing(prompt, image)
            return await self._ask(request, chain, prompt, epoch=epoch, past=past, began=began, under_way=under_way)

    async def _ask(
        self,
        request: LiveRequest,
        chain: Sequence[Target],
        prompt: Prompt,
        *,
        epoch: int,
        past: Sequence[PastAttempt],
        began: datetime,
        under_way: Callable[[Course], None],
    ) -> Answered | Unanswered:
        tally, repairs = _Tally.of(past, self._draining), 0
        cause: Cause = "redelivery" if past else "first"
        last_moment = request.event.deadline or began + timedelta(seconds=self._policy.total_seconds)
        way, patience = Way(chain), Patience()
        while True:
            arrived = self._clock.now()
            begun = await self._beginning.begin(
                request,
                way.ahead(),
                Wanted(epoch=epoch, ordinal=tally.attempts + 1, cause=cause, first=chain[0], prompt=prompt),
                most_output=self._most_output(request),
                patience=patience,
                draining=tally.draining,
            )
            if isinstance(begun, NotBegun):
                course = Course(attempts=tally.attempts, latency_ms=_ms(began, self._clock.now()))
                return Unanswered(
                    reason=begun.reason, detail=begun.detail, retryable=begun.reason == "rejected", course=course
                )
            entry, target, attempt_id = begun.entry, begun.entry.target, begun.attempt_id
            tally.attempts += 1
            if request.event.deadline is None:
                last_moment += self._clock.now() - arrived
            entry.sent()
            sent = self._clock.now()
            attempt = _Attempt(
                attempt_id=attempt_id,
                target=target,
                began=began,
                sent=sent,
                last_moment=last_moment,
                course=Course(
                    attempts=tally.attempts,
                    latency_ms=_ms(began, sent),
                    provider=target.provider,
                    model=target.model,
                    prompt_version=prompt.version,
                ),
            )
            under_way(attempt.course)
            try:
                completion = await self._call(request, prompt, attempt)
            except ProviderError as error:
                entry.failed(self._told(error, attempt), again=way.has_failed(target), headroom=error.headroom)
                await self._door.heard(target, error)
                step = way.after(target, error.outcome, retryable=error.retryable)
                unanswered = await self._after_failure(request, error, attempt, tally, step)
                if unanswered is not None:
                    return unanswered
                cause = "retry"
                continue
            except BaseException:
                entry.failed("cancelled", again=False)
                raise
            tally.billed += 1
            entry.answered(completion.usage, completion.headroom)
            ended, course = self._account(completion, attempt)
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

    def _most_output(self, request: LiveRequest) -> int:
        return min(request.event.options.max_tokens or self._policy.max_tokens, self._policy.max_tokens)

    async def _call(self, request: LiveRequest, prompt: Prompt, attempt: _Attempt) -> Completion:
        options = request.event.options
        left = (attempt.last_moment - attempt.sent).total_seconds()
        growing = self._growing(request, prompt, attempt)
        call = ProviderCall(
            model=attempt.target.model,
            prompt=prompt,
            max_tokens=self._most_output(request),
            temperature=self._policy.temperature if options.temperature is None else options.temperature,
            timeout=max(0.0, min(self._policy.attempt_seconds, left)),
            request_id=request.event.request_id,
            attempt_id=attempt.attempt_id,
            grown=None if growing is None else growing.add,
        )
        try:
            return await self._providers[attempt.target.provider].complete(call)
        except ProviderError as error:
            error.estimate = _estimate(prompt, growing)
            raise
        except asyncio.CancelledError:
            ended = AttemptEnded(attempt_id=attempt.attempt_id, outcome="cancelled")
            settled = self._books.settle(self._with_estimate(ended, _estimate(prompt, growing), attempt))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(settled), SETTLE_AT_CANCEL_SECONDS)
            raise

    def _growing(self, request: LiveRequest, prompt: Prompt, attempt: _Attempt) -> Growing | None:
        if self._partials is None:
            return None
        return self._partials.begin(request.key, request.event, prompt, attempt=attempt.course.attempts)

    def _with_estimate(self, ended: AttemptEnded, usage: Usage | None, attempt: _Attempt) -> AttemptEnded:
        """What part of an answer had arrived is likely to be charged: it is not known, so it is marked as a guess."""
        if usage is None:
            return ended
        target = attempt.target
        price = self._pricing.price(provider=target.provider, model=target.model, usage=usage, at=attempt.sent)
        detail = "; ".join(filter(None, (ended.detail, ESTIMATED)))
        return replace(ended, usage=usage, price=price, detail=detail)

    def _told(self, error: ProviderError, attempt: _Attempt) -> Outcome:
        """What a failure says about its provider: a call that had too little time says nothing."""
        left = (attempt.last_moment - attempt.sent).total_seconds()
        return "unknown" if error.outcome == "timeout" and left < self._policy.attempt_seconds else error.outcome

    async def _after_failure(
        self, request: LiveRequest, error: ProviderError, attempt: _Attempt, tally: _Tally, step: Step
    ) -> Unanswered | None:
        """Settle, then wait for the next try (None) or say why there is none."""
        now = self._clock.now()
        ended = AttemptEnded(
            attempt_id=attempt.attempt_id,
            outcome=error.outcome,
            response_id=error.response_id,
            latency_ms=_ms(attempt.sent, now),
            detail=error.detail,
        )
        await self._books.settle(self._with_estimate(ended, error.estimate, attempt))
        if error.outcome in UNBILLED:
            tally.unbilled += 1
        else:
            tally.billed += 1
        decision = decide(
            Failure(
                outcome=error.outcome,
                retryable=step is not Step.GIVE_UP,
                retry_after=error.retry_after if step is Step.SAME else None,
            ),
            unbilled_so_far=tally.unbilled,
            billed_so_far=tally.billed,
            jitter=0.0 if step is Step.NEXT else self._jitter(),
            seconds_left=(attempt.last_moment - now).total_seconds(),
            policy=self._policy.retry,
        )
        said, course = f"{error.outcome}: {error.detail}", attempt.course
        match decision:
            case RetryIn(seconds):
                await slept(seconds, tally.draining)
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

    def _account(self, completion: Completion, attempt: _Attempt) -> tuple[AttemptEnded, Course]:
        now, usage, price = self._clock.now(), completion.usage, None
        if usage is not None:
            provider = attempt.target.provider
            price = self._pricing.price(provider=provider, model=completion.model, usage=usage, at=attempt.sent)
        course = replace(attempt.course, latency_ms=_ms(attempt.began, now))
        call_ms = _ms(attempt.sent, now)
        return accounted(completion, course, attempt_id=attempt.attempt_id, usage=usage, price=price, call_ms=call_ms)


def _estimate(prompt: Prompt, growing: Growing | None) -> Usage | None:
    if growing is None or not growing.characters:
        return None
    return estimated(prompt_characters=prompt.characters, answer_characters=growing.characters)


def _ms(begin: datetime, end: datetime) -> int:
    return max(0, round((end - begin).total_seconds() * 1000))
