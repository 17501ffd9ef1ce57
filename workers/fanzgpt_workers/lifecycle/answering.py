"""One request, from its claim to its published ending."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from pydantic import JsonValue

from fanzgpt_schemas.codec import Encoded
from fanzgpt_schemas.generation import Reason
from fanzgpt_schemas.requests import OnUnknown
from fanzgpt_workers.core.admission import Switch, admit
from fanzgpt_workers.core.attempts import AttemptEnded, PastAttempt
from fanzgpt_workers.core.claims import AlreadyEnded, Conflicting, Granted, OwnedElsewhere
from fanzgpt_workers.core.costs import Costs
from fanzgpt_workers.core.endings import Ending, EndState, Saved, Saving, Superseded
from fanzgpt_workers.core.routing import NoTarget, Routes, Target
from fanzgpt_workers.errors import InputRefused, LetGo, OutputRefused
from fanzgpt_workers.lifecycle import events
from fanzgpt_workers.lifecycle.beginning import Lost
from fanzgpt_workers.lifecycle.books import Books
from fanzgpt_workers.lifecycle.calling import Answered, Unanswered
from fanzgpt_workers.lifecycle.cancelling import CalledOff, Wishes
from fanzgpt_workers.lifecycle.events import Course
from fanzgpt_workers.lifecycle.fetching import Fetching
from fanzgpt_workers.lifecycle.outbox import pack, unpack
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.lifecycle.sharing import Calling, Shared
from fanzgpt_workers.lifecycle.waits import Waits
from fanzgpt_workers.ports import Clock, ContentFilter, Windows
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.records import Handled

FIRST_LOOK_SECONDS: Final = 0.2
LONGEST_LOOK_SECONDS: Final = 5.0
UNKNOWN_OUTCOME: Final = (
    "a call for this request was under way when its worker died; it may have been billed, and the policy for such "
    "a request is not to call again (onUnknown: fail)"
)
CANCELLED: Final = "cancelled at its sender's wish"
BLOCKED: Final = "Content contains blocked terms"
STATE_OF: Final[dict[Reason, EndState]] = {"expired": "expired", "rejected": "rejected", "cancelled": "cancelled"}


class Observer(Protocol):
    """Told of endings, for metrics and logs; must return at once."""

    def ended(self, request: LiveRequest, status: str, course: Course) -> None:
        """An ending was saved by this worker."""
        ...

    def found(self, request: LiveRequest, what: str) -> None:
        """The ledger knew the request: `already-ended`, `conflict`, `owned-elsewhere`, `superseded`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPolicy:
    """What this worker may do: the feature switches that are on, where calls go, and what follows a lost outcome."""

    switched_on: AbstractSet[Switch]
    routes: Routes
    on_unknown: OnUnknown


class Lane(Protocol):
    """Where requests wait that need not be answered at once; each method returns once its effect is durable."""

    async def takes_in(self, request: LiveRequest, target: Target, *, epoch: int, term: int, is_first: bool) -> bool:
        """Whether the request waits from now on, and is answered from there; its record may then be passed."""
        ...

    async def has(self, request_key: UUID, *, epoch: int, term: int) -> bool:
        """Whether the request waits already; what is done for it is done under this epoch from now on."""
        ...


class Answering:
    """Takes requests through their life; holds no state of any request.

    Promise: returns DONE only when the request's one ending is durable in the ledger and acknowledged on its topics, or
    the request waits in a lane that will see to it;
    LET_GO when a newer owner has the request. Whatever is raised leaves the record uncommitted.
    """

    def __init__(
        self,
        *,
        books: Books,
        caller: Calling,
        publication: Publication,
        clock: Clock,
        owner: UUID,
        policy: AnswerPolicy,
        observer: Observer,
        content_filter: ContentFilter | None = None,
        wishes: Wishes | None = None,
        windows: Windows | None = None,
        costs: Costs | None = None,
        lane: Lane | None = None,
        fetching: Fetching | None = None,
    ) -> None:
        """`owner` names this run of this process in the ledger.

        Without a filter nothing is blocked, without windows nobody asks too much; `wishes` is where cancellations are
        heard; `costs` learns from answers. Without a `lane` every request is called for at once, and
        without `fetching` no lost answer is looked for.
        """
        self._books = books
        self._caller = caller
        self._publication = publication
        self._clock = clock
        self._owner = owner
        self._policy = policy
        self._observer = observer
        self._filter = content_filter
        self._wishes = wishes or Wishes(clock)
        self._windows = windows
        self._lane = lane
        self._costs = costs or Costs()
        self._fetching = fetching
        self._claiming = Waits()

    def let_go(self) -> None:
        """A drain begins: whoever has no claim yet leaves, and whoever waits for another try."""
        self._claiming.let_go()
        self._caller.let_go()
        if self._fetching is not None:
            self._fetching.let_go()

    async def run(self, request: LiveRequest, *, term: int, may_wait: bool = True) -> Handled:
        """Claim, answer, save, publish; `term` is the one in which the request's partition was given to this worker.

        Not `may_wait`: the request is called for at once.
        """
        try:
            verdict = await self._claim(request, term)
        except LetGo:
            return Handled.LET_GO
        match verdict:
            case Granted(epoch, past):
                lane = self._lane if may_wait else None
                if lane is not None and epoch > 1 and await lane.has(request.key, epoch=epoch, term=term):
                    return Handled.DONE
                return await self._own_to_the_end(request, epoch, past, lane=lane, term=term)
            case AlreadyEnded(outbox):
                self._observer.found(request, "already-ended")
                return await self._publish(request, unpack(outbox))
            case Conflicting():
                self._observer.found(request, "conflict")
                await self._publication.publish(events.conflicting(request, at=self._clock.now()))
                return Handled.DONE

    async def _claim(self, request: LiveRequest, term: int) -> Granted | AlreadyEnded | Conflicting:
        """Ask until nobody else is at work on it; raises LetGo when a drain begins before that."""
        claim, look = request.claim(self._owner, term=term), FIRST_LOOK_SECONDS
        while True:
            verdict = await self._claiming.wait(self._books.claim(claim))
            if not isinstance(verdict, OwnedElsewhere):
                return verdict
            self._observer.found(request, "owned-elsewhere")
            await self._claiming.sleep(look)
            look = min(2 * look, LONGEST_LOOK_SECONDS)

    async def _own_to_the_end(
        self, request: LiveRequest, epoch: int, past: Sequence[PastAttempt], *, lane: Lane | None, term: int
    ) -> Handled:
        """Own the request; when our own code fails on it, tell its sender before the error goes on."""
        try:
            return await self._own(request, epoch, past, lane=lane, term=term)
        except Exception as error:
            course = Course(attempts=len(past), latency_ms=0)
            detail = f"an error of this system: {type(error).__name__}"
            await self.fail(request, epoch, "internal", detail, retryable=True, course=course)
            raise

    async def _own(
        self, request: LiveRequest, epoch: int, past: Sequence[PastAttempt], *, lane: Lane | None, term: int
    ) -> Handled:
        began = self._clock.now()
        unstarted = Course(attempts=len(past), latency_ms=0)
        refusal = self._refusal(request, began)
        if refusal is not None:
            reason, detail = refusal
            return await self.fail(request, epoch, reason, detail, retryable=False, course=unstarted)
        if self._fetching is not None and past:
            try:
                lost = await self._fetching.answer(request, past, began=began)
            except LetGo:
                return Handled.LET_GO
            if isinstance(lost, Answered):
                return await self._complete(request, epoch, lost)
            past = lost.past
        if (request.event.on_unknown or self._policy.on_unknown) == "fail" and any(
            p.outcome == "unknown" for p in past
        ):
            return await self.fail(request, epoch, "unknown-outcome", UNKNOWN_OUTCOME, retryable=True, course=unstarted)
        too_many = None if self._windows is None or past else await self._windows.refusal(request.event)
        if too_many is not None:
            return await self.fail(request, epoch, "rejected", too_many, retryable=True, course=unstarted)
        chain = self._policy.routes.chain(
            provider=request.event.options.provider,
            model=request.event.options.model,
            generation_type=request.event.type,
        )
        if isinstance(chain, NoTarget):
            return await self.fail(request, epoch, "rejected", chain.detail, retryable=False, course=unstarted)
        if lane is not None and await lane.takes_in(request, chain[0], epoch=epoch, term=term, is_first=not past):
            return Handled.DONE
        return await self._call(request, epoch, past, chain, began)

    async def _call(
        self, request: LiveRequest, epoch: int, past: Sequence[PastAttempt], chain: Sequence[Target], began: datetime
    ) -> Handled:
        unstarted = Course(attempts=len(past), latency_ms=0)
        courses = [unstarted]
        try:
            with self._wishes.calling(request.key):
                answer = await self._caller.answer(
                    request, chain, epoch=epoch, past=past, began=began, under_way=courses.append
                )
        except CalledOff:
            return await self.fail(request, epoch, "cancelled", CANCELLED, retryable=False, course=courses[-1])
        except LetGo:
            return Handled.LET_GO
        except Lost:
            self._observer.found(request, "superseded")
            return Handled.LET_GO
        except (InputRefused, OutputRefused) as refused:
            again = isinstance(refused, InputRefused) and refused.retryable
            return await self.fail(request, epoch, "rejected", str(refused), retryable=again, course=unstarted)
        match answer:
            case Answered():
                return await self._complete(request, epoch, answer)
            case Shared(answer=known, course=course):
                return await self.complete(request, epoch, known.output, course)
            case Unanswered(reason=reason, detail=detail, retryable=retryable, course=course):
                return await self.fail(request, epoch, reason, detail, retryable=retryable, course=course)

    async def _complete(self, request: LiveRequest, epoch: int, answer: Answered) -> Handled:
        if answer.course.usage is not None:
            self._costs.learn(request.event.type, answer.course.usage.output)
        return await self.complete(request, epoch, answer.output, answer.course, settles=answer.attempt)

    def _refusal(self, request: LiveRequest, now: datetime) -> tuple[Reason, str] | None:
        """Why the request may not be answered; None when it may."""
        event = request.event
        if self._wishes.is_wished(request.key):
            return "cancelled", CANCELLED
        denied = admit(
            generation_type=event.type, deadline=event.deadline, now=now, switched_on=self._policy.switched_on
        )
        if denied is not None:
            return denied.reason, denied.detail
        if self._filter is not None and self._filter.blocks_request(event):
            return "rejected", BLOCKED
        return None

    async def complete(
        self,
        request: LiveRequest,
        epoch: int,
        output: Mapping[str, JsonValue],
        course: Course,
        *,
        settles: AttemptEnded | None = None,
    ) -> Handled:
        """End with an answer, unless it holds a term that none may hold.

        `settles` is put down under any epoch; LET_GO where a newer owner has the request and has not ended it.
        """
        if self._filter is not None and self._filter.blocks_answer(output):
            told = events.failed(request, "rejected", BLOCKED, retryable=False, course=course, at=self._clock.now())
            return await self._end(request, epoch, "rejected", told, course=course, settles=settles)
        told = events.completed(request, output, course, at=self._clock.now())
        return await self._end(request, epoch, "completed", told, course=course, settles=settles)

    async def fail(
        self, request: LiveRequest, epoch: int, reason: Reason, detail: str, *, retryable: bool, course: Course
    ) -> Handled:
        """End without an answer; LET_GO as for `complete`."""
        told = events.failed(request, reason, detail, retryable=retryable, course=course, at=self._clock.now())
        return await self._end(request, epoch, STATE_OF.get(reason, "failed"), told, course=course, settles=None)

    async def _end(
        self,
        request: LiveRequest,
        epoch: int,
        state: EndState,
        told: list[Encoded],
        *,
        course: Course,
        settles: AttemptEnded | None,
    ) -> Handled:
        ending = Ending(
            request_key=request.key,
            epoch=epoch,
            state=state,
            outbox=pack(told),
            settles=settles,
            saving=None if course.cached_from is None else Saving(cached_from=course.cached_from, usd=course.saved_usd),
        )
        match await self._books.finish(ending):
            case Saved():
                self._wishes.over(request.key)
                self._observer.ended(request, state, course)
                return await self._publish(request, told)
            case Superseded(outbox):
                self._observer.found(request, "superseded")
                return Handled.LET_GO if outbox is None else await self._publish(request, unpack(outbox))

    async def _publish(self, request: LiveRequest, told: list[Encoded]) -> Handled:
        await self._publication.publish(told)
        self._books.mark_published(request.key)
        return Handled.DONE
