"""What a batch did for a request: its answer takes the same way to the one ending as any other."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted
from fanzgpt_workers.core.budgets import OverBudget
from fanzgpt_workers.core.half_price import discounted
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import OutputRefused, ProviderError
from fanzgpt_workers.lifecycle.accounting import accounted
from fanzgpt_workers.lifecycle.answering import CANCELLED, Answering
from fanzgpt_workers.lifecycle.books import Books
from fanzgpt_workers.lifecycle.calling import CallPolicy
from fanzgpt_workers.lifecycle.events import Course
from fanzgpt_workers.lifecycle.purse import Purse
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.ports import Clock, Completion, Pricing, Prompts, ProviderCall
from fanzgpt_workers.records import Handled


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedCall:
    """One call of a batch: whose it is, under which epoch, and which attempt of the request."""

    request: LiveRequest
    epoch: int
    target: Target
    attempt_id: UUID
    ordinal: int
    handed_over: datetime


class BatchedCalls:
    """The life of requests that are called for in batches; holds no state of any."""

    def __init__(
        self,
        *,
        answering: Answering,
        books: Books,
        prompts: Prompts,
        pricing: Pricing,
        clock: Clock,
        policy: CallPolicy,
        purse: Purse | None = None,
    ) -> None:
        """Wire up; the policy is that of calls made by themselves."""
        self._answering = answering
        self._books = books
        self._prompts = prompts
        self._pricing = pricing
        self._clock = clock
        self._policy = policy
        self._purse = purse

    def call(self, batched: BatchedCall) -> ProviderCall:
        """What to hand over; raises OutputRefused for a type that no prompt serves."""
        event = batched.request.event
        return ProviderCall(
            model=batched.target.model,
            prompt=self._prompts.render(event),
            max_tokens=min(event.options.max_tokens or self._policy.max_tokens, self._policy.max_tokens),
            temperature=self._policy.temperature if event.options.temperature is None else event.options.temperature,
            timeout=self._policy.attempt_seconds,
            request_id=event.request_id,
            attempt_id=batched.attempt_id,
        )

    async def begin(self, batched: BatchedCall, call: ProviderCall) -> bool | OverBudget:
        """Write the attempt's row: False where the request is somebody else's or has ended, and no call may be made."""
        purse, now = self._purse, self._clock.now()
        return await self._books.start(
            AttemptStarted(
                attempt_id=batched.attempt_id,
                request_key=batched.request.key,
                epoch=batched.epoch,
                ordinal=batched.ordinal,
                provider=batched.target.provider,
                model=batched.target.model,
                cause="batch",
                reservation=None
                if purse is None
                else purse.reservation(batched.request, batched.target, call.prompt, call.max_tokens, now),
            )
        )

    async def answered(self, batched: BatchedCall, completion: Completion) -> Handled | None:
        """End the request with its answer; None where the answer is refused and another call may mend it.

        Its cost is in the ledger either way, at the batch's price. LET_GO: the request has another owner by now.
        """
        ended, course = self._account(batched, completion)
        try:
            output = self._prompts.read(batched.request.event, completion)
        except OutputRefused as refused:
            await self._books.settle(ended)
            if refused.repairable:
                return None
            return await self._answering.fail(
                batched.request, batched.epoch, "output", str(refused), retryable=False, course=course
            )
        return await self._answering.complete(batched.request, batched.epoch, output, course, settles=ended)

    async def unanswered(self, batched: BatchedCall, error: ProviderError) -> None:
        """Put down that the call gave no answer, and why."""
        ended = AttemptEnded(
            attempt_id=batched.attempt_id, outcome=error.outcome, response_id=error.response_id, detail=error.detail
        )
        await self._books.settle(ended)

    async def cancelled(self, request: LiveRequest, epoch: int, *, attempts: int) -> Handled:
        """End the request as cancelled; what its batch still does for it is put down when it is known."""
        course = Course(attempts=attempts, latency_ms=0)
        return await self._answering.fail(request, epoch, "cancelled", CANCELLED, retryable=False, course=course)

    async def expired(self, request: LiveRequest, epoch: int, *, attempts: int) -> Handled:
        """End the request whose deadline passed while its batch was under way, as `cancelled` does."""
        course = Course(attempts=attempts, latency_ms=0)
        detail = "the deadline passed before its batch was over"
        return await self._answering.fail(request, epoch, "expired", detail, retryable=False, course=course)

    async def alone(self, request: LiveRequest, *, term: int) -> Handled:
        """Answer the request by a call of its own, as if its record had come again."""
        return await self._answering.run(request, term=term, may_wait=False)

    def _account(self, batched: BatchedCall, completion: Completion) -> tuple[AttemptEnded, Course]:
        now, usage, price = self._clock.now(), completion.usage, None
        model = completion.model or batched.target.model
        if usage is not None:
            usage = replace(usage, tier="batch")
            whole, listed = (
                self._pricing.price(provider=batched.target.provider, model=model, usage=each, at=batched.handed_over)
                for each in (replace(usage, tier=None), usage)
            )
            price = discounted(whole, listed)
        latency = max(0, round((now - batched.handed_over).total_seconds() * 1000))
        course = Course(
            attempts=batched.ordinal,
            latency_ms=latency,
            provider=batched.target.provider,
            model=model,
            prompt_version=self._prompts.render(batched.request.event).version,
        )
        return accounted(completion, course, attempt_id=batched.attempt_id, usage=usage, price=price, call_ms=latency)
