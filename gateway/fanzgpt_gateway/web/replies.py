"""JSON answers, and refusals as such."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from fanzgpt_gateway.refusals import Refusal


class JsonReply(Response):
    """A JSON answer that no cache keeps: what is in it belongs to one user."""

    media_type = "application/json"

    def __init__(
        self, body: Mapping[str, Any], status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(orjson.dumps(body), status_code, headers={"Cache-Control": "no-store", **(headers or {})})


def reply_to(refusal: Refusal) -> JsonReply:
    """The HTTP answer that a refusal is."""
    return JsonReply(refusal.body(), refusal.status, refusal.headers)
