"""An answer as server-sent events: the pieces as they come, and the ending as the last event.

Events: `accepted` (the request is taken), `delta` (a piece of text; its id is where to resume), `restart` (what was
shown is void, the answer begins again), and one of `completed`, `failed` and `pending` at the end. A comment is a
heartbeat.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import orjson
from starlette.responses import StreamingResponse

from fanzgpt_gateway.partials import Step
from fanzgpt_schemas.base import JsonObject

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT: Final = b": \n\n"
HEARTBEAT_SECONDS: Final = 10.0
"""Well within the 30 s after which a proxy gives a silent answer up."""

EVENTS: Final[dict[str, Any]] = {
    "description": "The answer; with `Accept: text/event-stream`, its pieces as they come and then the answer",
    "content": {
        MEDIA_TYPE: {
            "schema": {"type": "string", "description": (__doc__ or "").strip()},
            "example": 'event: accepted\ndata: {"requestId":"r-1","status":"pending"}\n\n'
            'id: 1764000000000-0\nevent: delta\ndata: {"text":"Up before"}\n\n'
            'event: completed\ndata: {"post":"Up before the sun.","requestId":"r-1","usage":{}}\n\n',
        }
    },
}


def event(name: str, data: JsonObject, *, step_id: str | None = None) -> bytes:
    """One event. JSON has no line ends of its own, so the data is one line whatever a text holds."""
    head = f"id: {step_id}\n" if step_id else ""
    return f"{head}event: {name}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"


class Shown:
    """What a watcher has seen of an answer, and which events the next step means to them."""

    def __init__(self, seen: Step | None = None, *, resumed: bool = False) -> None:
        """`seen` is the step that a watcher resumes after; `resumed` where they have seen something, known or not."""
        self._attempt = 0 if seen is None else seen.attempt
        self._length = 0 if seen is None else seen.at + len(seen.text)
        self._has_seen = resumed

    def events(self, step: Step) -> bytes:
        """A piece that was seen is not shown again, and one of an attempt that was given up not at all."""
        told = b""
        if step.attempt < self._attempt:
            return told
        if step.attempt > self._attempt:
            if self._has_seen:
                told = event("restart", {})
            self._attempt, self._length = step.attempt, 0
        text = step.text[max(0, self._length - step.at) :]
        if text:
            told += event("delta", {"text": text}, step_id=step.id)
            self._length = step.at + len(step.text)
            self._has_seen = True
        return told


class EventStream(StreamingResponse):
    """Events to a caller, past every buffer on the way."""

    def __init__(self, events: AsyncIterator[bytes], *, headers: Mapping[str, str]) -> None:
        always = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, headers={**headers, **always}, media_type=MEDIA_TYPE)
