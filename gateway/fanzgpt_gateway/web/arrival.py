"""The outermost step: every call gets its id, is counted and timed, and says its id in the answer."""

import re
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fanzgpt_gateway.metrics import Metrics

HEADER: Final = "X-Request-ID"
SAFE: Final = re.compile(r"[!-~]{1,128}")


class Arrival:
    """ASGI middleware. `state.request_id` is the caller's id where it sent a safe one, else a new one."""

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, clock: Callable[[], float], new_id: Callable[[], str]
    ) -> None:
        """`clock` gives seconds, from whenever."""
        self._app = app
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER)
        unsafe = given is not None and SAFE.fullmatch(given) is None
        request_id = given if given and not unsafe else self._new_id()
        scope.setdefault("state", {}).update(request_id=request_id, unsafe_request_id=unsafe)
        began, status = self._clock(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.served(scope["method"], route, status, self._clock() - began)
