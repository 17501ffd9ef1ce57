"""Bounds on a body before anything parses it: its length, the time it takes to arrive, and how deep it is nested."""

import asyncio
import re
from collections.abc import Collection, Mapping
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fanzgpt_gateway.refusals import InvalidRequest, Refusal
from fanzgpt_gateway.web.replies import reply_to
from fanzgpt_schemas.errors import Violation

DEEPEST: Final = 32
_OPENING: Final = frozenset({b"[", b"{"})
_CLOSING: Final = frozenset({b"]", b"}"})
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class BodyBounds:
    """ASGI middleware: reads the body within its bounds and hands it on whole."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        most_bytes: int,
        seconds: float,
        larger: Mapping[str, int] | None = None,
        unparsed: Collection[str] = (),
    ) -> None:
        """`seconds` is for the whole body, however slowly its parts come.

        `larger` has the bounds of single paths; the bodies of those in `unparsed` are no JSON.
        """
        self._unparsed = unparsed
        self._larger = larger or {}
        self._app = app
        self._most = most_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on with its body read, or refuse it."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS", "DELETE"}:
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive, self._larger.get(scope["path"], self._most))
            # Of what is never parsed nothing is nested, whatever its bytes look like.
            if scope["path"] not in self._unparsed and depth_exceeds(body, DEEPEST):
                raise InvalidRequest(Violation(field="(body)", reason=f"is nested more than {DEEPEST} levels deep"))
        except Refusal as refusal:
            await reply_to(refusal)(scope, receive, send)
            return
        except ClientDisconnect:
            return
        handed = False

        async def again() -> Message:
            nonlocal handed
            if handed:
                return await receive()
            handed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

    async def _read(self, scope: Scope, receive: Receive, most: int) -> bytes:
        told = Headers(scope=scope).get("content-length", "0")
        if told.isdecimal() and int(told[:20]) > most:
            raise _too_long(most)
        parts, length = [], 0
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    part = message.get("body", b"")
                    length += len(part)
                    if length > most:
                        raise _too_long(most)
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise Refusal(
                408,
                "Body too slow",
                f"The body did not arrive within {self._seconds:g} s",
                headers={"Connection": "close"},
            ) from None


def _too_long(most: int) -> Refusal:
    return Refusal(413, "Body too large", f"At most {most:,} bytes are taken", headers={"Connection": "close"})


def depth_exceeds(body: bytes, limit: int) -> bool:
    """Whether arrays and objects are nested deeper than `limit`; linear, and quick where there are few of them."""
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    depth = 0
    for token in _TOKENS.finditer(body):
        if token[0] in _OPENING:
            depth += 1
            if depth > limit:
                return True
        elif token[0] in _CLOSING:
            depth -= 1
    return False
