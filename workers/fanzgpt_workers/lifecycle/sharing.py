"""Calls that are shared: one request calls, and everybody who asks the same meanwhile, or later, has its answer."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fanzgpt_workers.core.attempts import PastAttempt
from fanzgpt_workers.core.caching import CachePolicy, cache_key
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.lifecycle.calling import Answered, Unanswered
from fanzgpt_workers.lifecycle.events import Course
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.ports import Answers, Asking, Clock, KnownAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """An answer that somebody else's call was paid for."""

    answer: KnownAnswer
    course: Course


class Calling(Protocol):
    """Whoever gets an answer for a request; see `Caller.answer` for the promises."""

    async def answer(
        self,
        request: LiveRequest,
        chain: Sequence[Target],
        *,
        epoch: int,
        past: Sequence[PastAttempt],
        began: datetime,
        under_way: Callable[[Course], None],
    ) -> Answered | Unanswered | Shared:
        """An answer, somebody else's answer, or why there is none."""
        ...

    def let_go(self) -> None:
        """A drain begins: who waits leaves."""
        ...


class SharingCaller:
    """Calls through another caller where nobody has the answer and nobody is at it; holds no state of any request.

    An answer is shared before its ending is saved: should its worker die in between, the redelivered request finds it,
    too, and is not paid for again.
    """

    def __init__(self, calling: Calling, *, answers: Answers, policy: CachePolicy, clock: Clock) -> None:
        """Share the answers to questions of the policy's types."""
        self._calling = calling
        self._answers = answers
        self._policy = policy
        self._clock = clock

    async def answer(
        self,
        request: LiveRequest,
        chain: Sequence[Target],
        *,
        epoch: int,
        past: Sequence[PastAttempt],
        began: datetime,
        under_way: Callable[[Course], None],
    ) -> Answered | Unanswered | Shared:
        """See `Calling`; who waits for somebody else's call waits until its own deadline at most."""
        key = self._key(request, chain[0])
        if key is None:
            return await self._calling.answer(request, chain, epoch=epoch, past=past, began=began, under_way=under_way)
        asking = await self._entered(request, key)
        if asking is None:
            detail = "somebody else's call for the same was not over before the deadline"
            course = Course(attempts=len(past), latency_ms=self._ms_since(began))
            return Unanswered(reason="expired", detail=detail, retryable=False, course=course)
        if asking.known is not None:
            return Shared(answer=asking.known, course=self._course(asking.known, past, began))
        try:
            answer = await self._calling.answer(
                request, chain, epoch=epoch, past=past, began=began, under_way=under_way
            )
        except BaseException:
            asking.left()
            raise
        match answer:
            case Answered():
                asking.answered(_known(request, answer))
            case Unanswered(reason="expired"):  # its own deadline, and nobody else's
                asking.left()
            case _:
                asking.unanswered()
        return answer

    def let_go(self) -> None:
        """See `Calling`."""
        self._answers.let_go()
        self._calling.let_go()

    def _key(self, request: LiveRequest, target: Target) -> str | None:
        event = request.event
        if event.type not in self._policy.types:
            return None
        return cache_key(
            generation_type=event.type,
            user_id=event.user_id,
            fingerprint=request.fingerprint,
            conversation_id=event.conversation_id,
            target=target,
        )

    async def _entered(self, request: LiveRequest, key: str) -> Asking | None:
        """This request's part; None when its deadline comes first."""
        deadline = request.event.deadline
        if deadline is None:
            return await self._answers.enter(key)
        try:
            async with asyncio.timeout((deadline - self._clock.now()).total_seconds()):
                return await self._answers.enter(key)
        except TimeoutError:
            return None

    def _course(self, known: KnownAnswer, past: Sequence[PastAttempt], began: datetime) -> Course:
        return Course(
            attempts=len(past),
            latency_ms=self._ms_since(began),
            provider=known.provider,
            model=known.model,
            prompt_version=known.prompt_version,
            finish_reason=known.finish_reason,
            cached_from=known.request_id,
            saved_usd=known.usd,
        )

    def _ms_since(self, began: datetime) -> int:
        return max(0, round((self._clock.now() - began).total_seconds() * 1000))


def _known(request: LiveRequest, answer: Answered) -> KnownAnswer:
    course, price = answer.course, answer.course.price
    return KnownAnswer(
        output=answer.output,
        request_id=request.event.request_id,
        usd=None if price is None else price.usd,
        provider=course.provider,
        model=course.model,
        prompt_version=course.prompt_version,
        finish_reason=course.finish_reason,
    )
