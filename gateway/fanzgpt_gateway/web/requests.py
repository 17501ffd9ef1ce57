"""Requests by their id: read, and cancelled."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from fanzgpt_gateway.asking import Asking, Call, path_of
from fanzgpt_gateway.auth.callers import Service
from fanzgpt_gateway.cancelling import Cancelling
from fanzgpt_gateway.ledger import KnownRequest, LedgerReader
from fanzgpt_gateway.outcomes import refusal_of
from fanzgpt_gateway.refusals import InvalidRequest, Refusal, UnknownRequest
from fanzgpt_gateway.streaming import Streaming
from fanzgpt_gateway.web import PREFIX
from fanzgpt_gateway.web.answers import CancelAccepted, ErrorBody, RequestView, usage_of
from fanzgpt_gateway.web.calls import CallOf
from fanzgpt_gateway.web.event_stream import EVENTS
from fanzgpt_gateway.web.replies import JsonReply
from fanzgpt_schemas.errors import Violation
from fanzgpt_schemas.generation import GenerationCompleted, GenerationFailed

RequestIdPath = Annotated[str, Path(min_length=1, max_length=128, description="The id under which it was asked.")]
UserIdQuery = Annotated[
    str | None, Query(alias="userId", min_length=1, max_length=256, description="Whose request; for services only.")
]

_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": ErrorBody, "description": "The id is used by several users: name the user"},
    401: {"model": ErrorBody, "description": "No token, or one that is not believed"},
    403: {"model": ErrorBody, "description": "The user may not use AI, or is not the one who was named"},
    404: {"model": ErrorBody, "description": "No request of this user has the id"},
    503: {"model": ErrorBody, "description": "The ledger or the broker is away"},
}


def requests(
    *, ledger: LedgerReader, asking: Asking, streaming: Streaming, cancelling: Cancelling, call_of: CallOf
) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix=PREFIX, tags=["requests"])
    Arrived = Annotated[Call, Depends(call_of)]  # noqa: N806 - a type

    async def found(request_id: str, user_id: str | None, call: Call) -> KnownRequest:
        """The request, if it is one of the caller's; whoever may not see it hears what is said of an unknown one."""
        if isinstance(call.caller, Service) and user_id is None:
            known = await ledger.of_anybody(request_id)
            if len(known) > 1:
                raise InvalidRequest(
                    Violation(field="userId", reason="several users have a request of this id; name one")
                )
            if known:
                return known[0]
        owner = call.caller.acts_for(user_id, required=False)
        request = await ledger.of_user(owner, request_id)
        if request is not None:
            return request
        if await asking.is_pending(call, request_id, user_id):
            return _unclaimed(request_id, owner)
        raise UnknownRequest

    @router.get("/requests/{request_id:path}", response_model=RequestView, responses={200: EVENTS, **_ERRORS})
    async def read_request(request_id: RequestIdPath, call: Arrived, user_id: UserIdQuery = None) -> Response:
        """A request and, once it has one, its answer."""
        known = await found(request_id, user_id, call)
        if call.watching is not None:
            return streaming.watch(known, call.watching, location=path_of(call.caller, request_id, user_id))
        return JsonReply(_view(known))

    @router.delete(
        "/requests/{request_id:path}",
        status_code=202,
        response_model=CancelAccepted,
        responses={**_ERRORS, 409: {"model": ErrorBody, "description": "The request has ended"}},
    )
    async def cancel_request(request_id: RequestIdPath, call: Arrived, user_id: UserIdQuery = None) -> JsonReply:
        """Ask for a request to be ended early; it still ends in one way, whichever comes first."""
        request = await found(request_id, user_id, call)
        if request.ended_at is not None:
            raise Refusal(409, "Request ended", f"The request has ended before: {request.state}")
        await cancelling.cancel(request.user_id, request_id)
        return JsonReply({"requestId": request_id, "status": "cancel-requested"}, 202)

    return router


def _unclaimed(request_id: str, user_id: str) -> KnownRequest:
    now = datetime.now(UTC)
    return KnownRequest(
        request_id=request_id, user_id=user_id, type="", state="claimed", created_at=now, ended_at=None, ending=None
    )


def _view(request: KnownRequest) -> dict[str, Any]:
    """What a reader is told of a request."""
    view: dict[str, Any] = {
        "requestId": request.request_id,
        "userId": request.user_id,
        "status": "pending" if request.state == "claimed" else request.state,
    }
    if request.type:
        view |= {"type": request.type, "createdAt": request.created_at}
    if request.ended_at is not None:
        view["endedAt"] = request.ended_at
    match request.ending:
        case GenerationCompleted() as completed:
            view |= {"output": completed.output, "usage": usage_of(completed)}
        case GenerationFailed() as failed:
            view |= refusal_of(failed).body()
        case None:
            pass
    return view
