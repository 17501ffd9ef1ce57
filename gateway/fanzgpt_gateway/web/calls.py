"""What every endpoint knows of the call it answers."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from starlette.datastructures import Headers
from starlette.requests import Request

from fanzgpt_gateway.asking import Call, Watching
from fanzgpt_gateway.refusals import InvalidRequest
from fanzgpt_gateway.web.address import Network, client_address
from fanzgpt_gateway.web.arrival import SAFE
from fanzgpt_gateway.web.event_stream import MEDIA_TYPE
from fanzgpt_schemas.errors import Violation

CallOf: TypeAlias = Callable[[Request], Awaitable[Call]]

_UNSAFE: Final = "has to be 1 to 128 visible ASCII characters"
_WAIT: Final = re.compile(r"\bwait=(\d{1,6})\b")
_STEP_ID: Final = re.compile(r"\d{1,15}-\d{1,15}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def calls(*, wait_seconds: float, trusted_proxies: Sequence[Network]) -> CallOf:
    """Reads calls.

    The request's id is its Idempotency-Key, else its X-Request-ID, else a new one. `Prefer: wait=N` waits N seconds
    where that is less than `wait_seconds`; `Prefer: respond-async` waits for nothing. `Accept: text/event-stream`
    watches the answer being made, after the event of `Last-Event-ID`.
    """

    # A coroutine, though it waits for nothing: FastAPI calls plain functions in a thread, which costs more.
    async def call_of(request: Request) -> Call:
        headers = request.headers
        peer = request.client.host if request.client else ""
        trace = headers.get("traceparent", "")
        return Call(
            caller=request.state.caller,
            request_id=_request_id(request),
            address=client_address(peer, headers.getlist("x-forwarded-for"), trusted_proxies),
            wait_seconds=min(_preferred(headers.get("prefer", "")), wait_seconds),
            traceparent=trace if _TRACEPARENT.fullmatch(trace) else None,
            watching=_watching(request),
        )

    return call_of


def _request_id(request: Request) -> str:
    if request.state.unsafe_request_id:
        raise InvalidRequest(Violation(field="X-Request-ID", reason=_UNSAFE))
    key = request.headers.get("idempotency-key")
    if key is None:
        return str(request.state.request_id)
    if len(key) > 1 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]  # as the IETF's draft writes it
    if SAFE.fullmatch(key) is None:
        raise InvalidRequest(Violation(field="Idempotency-Key", reason=_UNSAFE))
    return key


def _accepts_events(headers: Headers) -> bool:
    kinds = (kind.partition(";")[0].strip().lower() for kind in headers.get("accept", "").split(","))
    return MEDIA_TYPE in kinds


def _watching(request: Request) -> Watching | None:
    told = request.query_params.getlist("onDisconnect") or request.headers.getlist("x-on-disconnect")
    if told not in ([], ["continue"], ["cancel"]):
        raise InvalidRequest(Violation(field="onDisconnect", reason="is `continue` or `cancel`"))
    if not _accepts_events(request.headers):
        return None
    after = request.headers.get("last-event-id", "")
    return Watching(after=after if _STEP_ID.fullmatch(after) else None, cancels=told == ["cancel"])


def _preferred(prefer: str) -> float:
    if "respond-async" in prefer:
        return 0.0
    match = _WAIT.search(prefer)
    return float(match[1]) if match else float("inf")
