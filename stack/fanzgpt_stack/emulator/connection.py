"""One client's connection: reads its requests and plays the replies, in order."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from fanzgpt_stack.emulator.http_requests import HttpRequest, RequestParser, RequestRefused
from fanzgpt_stack.emulator.replies import Reply, whole

_MOST_WAITING: Final = 256
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER for no time: close() sends RST


class _Due(NamedTuple):
    """A reply and the loop's time at which it begins."""

    reply: Reply
    at: float
    keep_alive: bool
    ended: Callable[[bool], None]


class Connection(asyncio.Protocol):
    """Requests go to `receive` the moment they are complete; each has to be followed by one `play`, in that order."""

    __slots__ = (
        "_loop",
        "_parser",
        "_receive",
        "_replies",
        "_sent",
        "_timer",
        "_wire",
    )

    def __init__(self, receive: Callable[["Connection", HttpRequest], None]) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._parser = RequestParser()
        self._replies: deque[_Due] = deque()
        self._wire: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._wire = cast("asyncio.Transport", transport)  # uvloop's own class, not derived from it

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        try:
            for request in self._parser.feed(data):
                self._receive(self, request)
        except RequestRefused as error:
            self._refuse(error)
            return
        if self._parser.wants_continue() and self._wire is not None:
            self._wire.write(_CONTINUE)
        if len(self._replies) >= _MOST_WAITING and self._wire is not None:
            self._wire.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Forget what was still to be sent."""
        self._wire = None
        if self._timer is not None:
            self._timer.cancel()
        for due in self._replies:
            due.ended(False)
        self._replies.clear()

    def play(self, reply: Reply, *, keep_alive: bool, ended: Callable[[bool], None]) -> None:
        """Send a reply as it says, after those before it. Its delay begins now.

        `ended` is called once, with whether the last byte was sent.
        """
        if self._wire is None:
            ended(False)
            return
        self._replies.append(_Due(reply, self._loop.time() + reply.delay, keep_alive, ended))
        if len(self._replies) == 1:
            self._begin()

    def _begin(self) -> None:
        first = self._replies[0]
        self._sent = 0
        if first.reply.delay > 0:
            self._timer = self._loop.call_at(first.at, self._send_first)
        else:
            self._send_first()

    def _send_first(self) -> None:
        wire, reply = self._wire, self._replies[0].reply
        if wire is None:
            return
        if reply.between > 0 and len(reply.parts) > 1:
            wire.write(reply.head + reply.parts[0])
            self._sent = 1
            self._later(reply)
            return
        content = reply.head + b"".join(reply.parts)
        if content:
            wire.write(content)
        self._finish(reply)

    def _later(self, reply: Reply) -> None:
        # Counted from the first part, so that small delays of ours do not add up.
        self._timer = self._loop.call_at(self._replies[0].at + self._sent * reply.between, self._send_next)

    def _send_next(self) -> None:
        wire, reply = self._wire, self._replies[0].reply
        if wire is None:
            return
        wire.write(reply.parts[self._sent])
        self._sent += 1
        if self._sent < len(reply.parts):
            self._later(reply)
        else:
            self._finish(reply)

    def _finish(self, reply: Reply) -> None:
        self._timer = None
        wire = self._wire
        if reply.ending == "hang" or wire is None:
            return  # under way until the client gives up
        due = self._replies.popleft()
        due.ended(True)
        if reply.ending == "reset":
            _reset(wire)
        elif reply.ending == "close" or not due.keep_alive:
            wire.close()
        elif self._replies:
            self._begin()
        else:
            wire.resume_reading()

    def _refuse(self, error: RequestRefused) -> None:
        refusal = whole(
            error.status, str(error).encode(), content_type="text/plain", headers=(("connection", "close"),)
        )
        if self._wire is not None:
            self._wire.write(refusal.head + refusal.parts[0])
            self._wire.close()


def _reset(wire: asyncio.Transport) -> None:
    """Close so that the client sees a reset. What was written but is not sent yet is lost, as it would be."""
    raw = wire.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    wire.abort()
