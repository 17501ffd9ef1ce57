"""Who may pass: decided before a byte of the body is read."""

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fanzgpt_gateway.auth.callers import Authenticator
from fanzgpt_gateway.refusals import Refusal
from fanzgpt_gateway.web.replies import reply_to

GUARDED: Final = "/api/"
MOST_HEADERS: Final = 64
MOST_HEADER_BYTES: Final = 32_768


class Door:
    """ASGI middleware. Behind it, calls of the API have `state.caller`; everything else passes as it is."""

    def __init__(self, app: ASGIApp, *, authenticator: Authenticator) -> None:
        """Wire up."""
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or refuse it."""
        if scope["type"] == "http" and scope["path"].startswith(GUARDED):
            try:
                _refuse_many_headers(scope)
                presented = Headers(scope=scope).get("authorization")
                scope["state"]["caller"] = await self._authenticator.caller(presented)
            except Refusal as refusal:
                await reply_to(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _refuse_many_headers(scope: Scope) -> None:
    headers = scope["headers"]
    if len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > MOST_HEADER_BYTES:
        raise Refusal(431, "Headers too large", f"At most {MOST_HEADERS} headers of {MOST_HEADER_BYTES} bytes are read")
