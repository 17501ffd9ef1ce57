"""An answer that comes as a stream of server-sent events, read as it comes; both protocols and both transports.

A stream is an answer only when it has said that it is complete. One that breaks off, ends early or ends in an error is
none, however much of it had come: it may be billed all the same.
"""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, Protocol

from fanzgpt_workers.errors import Cut
from fanzgpt_workers.ports import Completion, ProviderCall
from fanzgpt_workers.providers.classification import refusal
from fanzgpt_workers.providers.exchange import Answer, in_time
from fanzgpt_workers.providers.headroom import with_headroom
from fanzgpt_workers.providers.json_answers import json_object, member, text_member

Feed = Callable[[bytes], None]

_STATUS_OF: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}
"""What the status would have been, had the error come before the stream began; 500 for what is not named."""


class Growth(Protocol):
    """A protocol's reading of a stream. `ended` once the stream has said that its answer is complete."""

    ended: bool

    def take(self, data: bytes) -> str:
        """The text that one event adds; raises Malformed for one that cannot be read."""
        ...

    def completion(self) -> Completion:
        """The whole answer; raises Malformed where it holds none."""
        ...


class Events:
    """Splits bytes into the data of server-sent events, wherever the bytes are torn."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of each event that is now whole. Lines end in LF or CRLF, as every provider's do."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for ended in lines:
            line = ended.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data = []


async def complete_streamed(
    call: ProviderCall,
    growth: Growth,
    exchange: Callable[[Feed], Coroutine[Any, Any, Answer]],
    *,
    read_whole: Callable[[bytes], Completion],
    now: Callable[[], float],
) -> Completion:
    """Make the call with the answer fed as it comes; `read_whole` is for a server that does not stream.

    Raises ProviderError as every call does; `Cut` for a stream that was not complete.
    """
    streamed = _Streamed(call, growth, now)
    answer = await in_time(call, exchange(streamed.feed))
    if answer.status >= 300:
        raise refusal(answer, prompt=call.prompt, now=now())
    if streamed.whole:
        return with_headroom(read_whole(bytes(streamed.whole)), answer.headers)
    if not growth.ended:
        raise Cut("the stream ended before its answer was complete")
    return with_headroom(growth.completion(), answer.headers)


class _Streamed:
    """Feeds a growth, and tells of each piece of text."""

    def __init__(self, call: ProviderCall, growth: Growth, now: Callable[[], float]) -> None:
        self.whole = bytearray()
        self._call = call
        self._growth = growth
        self._now = now
        self._events = Events()
        self._begun = self._has_text = False

    def feed(self, chunk: bytes) -> None:
        if self.whole or (not self._begun and chunk[:1] == b"{"):
            self.whole += chunk
            return
        self._begun = True
        for data in self._events.feed(chunk):
            if data.startswith(b"{") and b'"error"' in data:
                self._raise_error(data)
            piece = self._growth.take(data)
            if piece:
                self._has_text = True
                if self._call.grown is not None:
                    self._call.grown(piece)

    def _raise_error(self, data: bytes) -> None:
        error = json_object(data).get("error")
        if not error:
            return
        kind = text_member(error, "type") or ""
        if self._has_text:
            raise Cut(f"the stream ended in an error: {kind[:100] or type(error).__name__}")
        status = member(error, "code") if isinstance(member(error, "code"), int) else _STATUS_OF.get(kind, 500)
        raise refusal(Answer(int(str(status)), {}, data), prompt=self._call.prompt, now=self._now())
