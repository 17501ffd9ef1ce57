"""From a call to a request on its topic, and from the request's ending to the call's answer."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from fanzgpt_gateway.auth.callers import Caller, Service, User
from fanzgpt_gateway.limits.windows import Allowance, Windows
from fanzgpt_gateway.metrics import Metrics
from fanzgpt_gateway.outcomes import refusal_of
from fanzgpt_gateway.refusals import Refusal
from fanzgpt_gateway.web import PREFIX
from fanzgpt_gateway.web.answers import answer_body
from fanzgpt_gateway.web.replies import JsonReply
from fanzgpt_producers.client import GenerationClient
from fanzgpt_producers.errors import (
    AnswerTimeout,
    BrokerUnavailable,
    EventTooLarge,
    ListeningStopped,
    PublisherStopped,
    PublishRefused,
)
from fanzgpt_producers.handle import Handle
from fanzgpt_schemas.base import JsonObject
from fanzgpt_schemas.generation import GenerationCompleted, GenerationFailed
from fanzgpt_schemas.identity import user_key
from fanzgpt_schemas.requests import GenerationType, Options

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """A call that watches its answer being made: from after which event, and whether leaving cancels the request."""

    after: str | None = None
    cancels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: who, under which id, from where, for how many seconds it waits, and whether it watches meanwhile."""

    caller: Caller
    request_id: str
    address: str
    wait_seconds: float
    traceparent: str | None = None
    watching: Watching | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked."""

    type: GenerationType
    user_id: str | None
    needs_user: bool
    input: Mapping[str, Any]
    options: Options
    conversation_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request on its topic: whose it is, how its user's window stands, and the way to its ending."""

    type: GenerationType
    user_id: str
    limits: Mapping[str, str]
    handle: Handle


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingPolicy:
    """How much a user may ask, how many may wait at once, and how long anything is worth doing."""

    standard: Allowance
    premium: Allowance
    max_waiting: int
    deadline_seconds: float

    def allowance(self, caller: Caller) -> Allowance:
        """What this caller's users may ask."""
        return self.premium if caller.premium else self.standard


class Asking:
    """Asks on behalf of calls. Holds nothing but who waits: the answer of a request is not lost with its call."""

    def __init__(self, *, client: GenerationClient, windows: Windows, policy: AskingPolicy, metrics: Metrics) -> None:
        """`client` listens already."""
        self._client = client
        self._windows = windows
        self._policy = policy
        self._metrics = metrics
        self._waiting = 0

    async def answer(self, question: Question, call: Call) -> JsonReply:
        """Ask, wait, answer: 200 with the answer, or 202 where it takes longer than the call waits.

        Raises:
            Refusal: the user's window is full, the request could not be sent, or it ended without an answer.
            ContractError: the question is wrong; nothing was sent.
        """
        asked = await self.ask(question, call)
        ending = await self.ending(asked, call.wait_seconds)
        if ending is None:
            return pending(call, question.user_id, headers=asked.limits)
        if isinstance(ending, GenerationFailed):
            refusal = refusal_of(ending)
            refusal.headers.update(asked.limits)
            raise refusal
        return JsonReply(answer_body(ending), headers=asked.limits)

    async def ask(self, question: Question, call: Call, *, stream: bool = False) -> Asked:
        """Ask; returns once the request is acknowledged by all in-sync replicas. Raises what `answer` raises."""
        user_id = call.caller.acts_for(question.user_id, required=question.needs_user)
        limits = await self._admit(call, question.user_id)
        handle = await self._publish(question, user_id, call, stream=stream)
        return Asked(type=question.type, user_id=user_id, limits=limits, handle=handle)

    async def ending(self, asked: Asked, seconds: float) -> GenerationCompleted | GenerationFailed | None:
        """The request's ending; None where it does not come in so many seconds, or this process is going."""
        self._count(+1)
        try:
            ending = await asked.handle.ending(timeout=seconds)
        except (AnswerTimeout, ListeningStopped):
            self._metrics.asked(asked.type, "pending")
            return None
        finally:
            self._count(-1)
        self._metrics.asked(asked.type, ending.reason if isinstance(ending, GenerationFailed) else "completed")
        return ending

    async def is_pending(self, call: Call, request_id: str, user_id: str | None) -> bool:
        """Whether a request was admitted a while ago that the ledger has not heard of yet."""
        allowance = self._policy.allowance(call.caller)
        return await self._windows.counted(subject_of(call, user_id), request_id, allowance)

    async def _admit(self, call: Call, user_id: str | None) -> dict[str, str]:
        if self._waiting >= self._policy.max_waiting:
            raise _unavailable("Too many calls wait for their answers; try again", call)
        allowance = self._policy.allowance(call.caller)
        admission = await self._windows.admit(subject_of(call, user_id), call.request_id, allowance)
        if not admission.admitted:
            self._metrics.limited()
            message = (
                f"At most {allowance.requests} requests within {allowance.seconds} s; "
                f"try again in {admission.reset_seconds} s"
            )
            raise Refusal(429, "Too many requests", message, headers=admission.headers())
        return admission.headers()

    async def _publish(self, question: Question, user_id: str, call: Call, *, stream: bool) -> Handle:
        try:
            return await self._client.request(
                question.type,
                user_id=user_id,
                input=question.input,
                request_id=call.request_id,
                options=question.options,
                conversation_id=question.conversation_id,
                deadline=timedelta(seconds=self._policy.deadline_seconds),
                priority="priority",
                stream=stream or None,
                metadata={"subscription": "premium"} if call.caller.premium else None,
                traceparent=call.traceparent,
            )
        except EventTooLarge as error:
            raise Refusal(413, "Body too large", str(error)) from error
        except (BrokerUnavailable, PublisherStopped, PublishRefused) as error:
            log.warning("a request could not be published: %s", error)
            self._metrics.asked(question.type, "unpublished")
            raise _unavailable("The request may not have been taken; repeat it under the same id", call) from error

    def _count(self, by: int) -> None:
        self._waiting += by
        self._metrics.waiting(self._waiting)


def subject_of(call: Call, user_id: str | None) -> str:
    """Whose window a call counts in: the user's where there is one, else that of the address it came from."""
    if isinstance(call.caller, User):
        user_id = call.caller.user_id
    return f"ip:{call.address}" if user_id is None else f"user:{user_key(user_id)}"


def location_of(call: Call, user_id: str | None) -> str:
    """Where the caller reads the request that it has asked."""
    return path_of(call.caller, call.request_id, user_id)


def path_of(caller: Caller, request_id: str, user_id: str | None) -> str:
    """Where a caller reads a request: a service says whose it is, a user's token says so itself."""
    path = f"{PREFIX}/requests/{quote(request_id, safe='')}"
    whose = user_id if isinstance(caller, Service) else None
    return path if whose is None else f"{path}?userId={quote(whose, safe='')}"


def pending(call: Call, user_id: str | None, *, headers: Mapping[str, str]) -> JsonReply:
    """The answer to a call that waited long enough: the request goes on."""
    location = location_of(call, user_id)
    body = {
        "requestId": call.request_id,
        "status": "pending",
        "message": "The answer takes longer; read the request by its id, at Location",
    }
    return JsonReply(body, 202, {**headers, "Location": location, "Retry-After": "1"})


def _unavailable(message: str, call: Call) -> Refusal:
    more: JsonObject = {"requestId": call.request_id, "retryable": True}
    return Refusal(503, "Service unavailable", message, more=more, headers={"Retry-After": "1"})
