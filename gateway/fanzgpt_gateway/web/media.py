"""Images in, speech out: the two ways by which bytes that are in no event pass the gateway."""

import time
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.responses import Response

from fanzgpt_gateway.asking import Call
from fanzgpt_gateway.object_store import MEDIA_TYPES, MediaStore
from fanzgpt_gateway.refusals import Refusal
from fanzgpt_gateway.uploading import Uploading
from fanzgpt_gateway.web import PREFIX
from fanzgpt_gateway.web.answers import ErrorBody
from fanzgpt_gateway.web.calls import CallOf
from fanzgpt_gateway.web.replies import JsonReply
from fanzgpt_schemas.base import Model, UserId
from fanzgpt_schemas.uploads import is_signed

UPLOADS: Final = f"{PREFIX}/media/images"
KEPT_SECONDS: Final = 3_600
_BINARY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Uploaded(Model):
    """An image that is kept: `imageUrl` is what an analysis of the same user names it by."""

    image_url: str
    media_type: str
    bytes: Annotated[int, Field(ge=1)]


def uploads(uploading: Uploading, call_of: CallOf) -> APIRouter:
    """The route that takes images."""
    router = APIRouter(prefix=PREFIX, tags=["generation"])
    Arrived = Annotated[Call, Depends(call_of)]  # noqa: N806 - a type
    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody, "description": text}
        for status, text in {
            400: "The call is wrong",
            401: "No token, or one that is not believed",
            403: "The user may not use AI",
            408: "The body did not arrive in time",
            413: "The image is too large",
            422: "It is no PNG, JPEG, GIF or WebP image, or there is no object store here",
            429: "Too many calls",
            503: "The object store does not answer",
        }.items()
    }

    @router.post("/media/images", status_code=201, response_model=Uploaded, responses=errors, openapi_extra=_BINARY)
    async def upload_image(
        request: Request, call: Arrived, user_id: Annotated[UserId | None, Query(alias="userId")] = None
    ) -> Response:
        """An image, as it is, for a later analysis."""
        data = await request.body()
        url, kind = await uploading.keep(data, call.caller.acts_for(user_id, required=False))
        return JsonReply(Uploaded(image_url=url, media_type=kind, bytes=len(data)).wire(), 201)

    return router


def links(store: MediaStore, secret: bytes, *, now: Callable[[], float] = time.time) -> APIRouter:
    """The route that serves what a signature of ours allows, until its time is over; it needs no token."""
    router = APIRouter()

    @router.get("/media/{key:path}", include_in_schema=False)
    async def read_media(key: str, expires: int = 0, signature: str = "") -> Response:
        # Only speech: an upload is for its analysis, and whoever sent it has it.
        if not key.startswith("audio/") or not is_signed(key, expires=expires, secret=secret, presented=signature):
            raise Refusal(403, "Forbidden", "This link is not one that was signed here")
        if now() >= expires:
            raise Refusal(410, "Gone", "This link has expired")
        data = await store.get(key)
        if data is None:
            raise Refusal(404, "Not found", "What this link led to is there no more")
        left = min(KEPT_SECONDS, int(expires - now()))
        headers = {
            "Cache-Control": f"private, max-age={left}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; media-src 'self'",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        kind = MEDIA_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
        return Response(data, media_type=kind, headers=headers)

    return router
