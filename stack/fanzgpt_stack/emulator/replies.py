"""What is sent back: bytes, when they go out, and how the reply ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

import orjson

Ending = Literal["done", "close", "reset", "hang"]
"""After the last byte: the connection is free again, closed, reset, or kept and never finished."""

Headers = Sequence[tuple[str, str]]

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream; charset=utf-8"

_LAST_CHUNK: Final = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A head and the parts of a body, sent in order.

    `delay` is the time from the arrival of the call to the head and the first part, `between` the time from one part
    to the next; both in seconds.
    """

    head: bytes
    parts: tuple[bytes, ...]
    delay: float = 0.0
    between: float = 0.0
    ending: Ending = "done"

    @property
    def status(self) -> int | None:
        """The HTTP status, None where nothing of HTTP is sent."""
        return int(self.head[9:12]) if self.head.startswith(b"HTTP/") else None


def whole(status: int, body: bytes, *, content_type: str = JSON, headers: Headers = (), delay: float = 0.0) -> Reply:
    """A reply that is known to its last byte."""
    head = f"{_start(status, content_type, headers)}content-length: {len(body)}\r\n\r\n"
    return Reply(head=head.encode("latin-1"), parts=(body,), delay=delay)


def json_reply(document: object) -> Reply:
    """A JSON document, as it was asked for."""
    return whole(200, orjson.dumps(document))


def streamed(events: Sequence[bytes], *, headers: Headers = (), delay: float = 0.0, between: float = 0.0) -> Reply:
    """A stream of server-sent events, one HTTP chunk each."""
    head = f"{_start(200, EVENTS, headers)}transfer-encoding: chunked\r\n\r\n"
    parts = [chunk(event) for event in events]
    return Reply(head=head.encode("latin-1"), parts=(*parts, _LAST_CHUNK), delay=delay, between=between)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _start(status: int, content_type: str, headers: Headers) -> str:
    extra = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return f"HTTP/1.1 {status} {_reason(status)}\r\ncontent-type: {content_type}\r\nserver: fanzgpt-emulator\r\n{extra}"


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded" if status == 529 else "Unknown"
