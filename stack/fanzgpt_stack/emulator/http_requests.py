"""HTTP/1.1 requests out of a stream of bytes: keep-alive, pipelined, by length or chunked.

Only what clients of language models send is understood; anything else is refused rather than guessed at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

MOST_HEAD_BYTES: Final = 64 * 1024
MOST_BODY_BYTES: Final = 64 * 1024 * 1024

_END_OF_HEAD: Final = b"\r\n\r\n"


class RequestRefused(Exception):
    """These bytes are no request that is served here; `status` says why. The connection is of no further use."""

    def __init__(self, status: int, reason: str) -> None:
        """`reason` is for people."""
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, fully read. Header names are in lower case; `keep_alive` is the client's wish."""

    method: str
    path: str
    query: str
    headers: Mapping[bytes, bytes]
    body: bytes
    keep_alive: bool

    def header(self, name: bytes) -> str | None:
        """A header's text."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


@dataclass(frozen=True, slots=True)
class _Head:
    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    keep_alive: bool
    length: int | None  # None: chunked

    def with_body(self, body: bytes) -> HttpRequest:
        return HttpRequest(self.method, self.path, self.query, self.headers, body, self.keep_alive)


class RequestParser:
    """Collects bytes and gives the requests that are complete. One per connection."""

    __slots__ = ("_buffer", "_chunks", "_head", "_said_continue")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._chunks: list[bytes] = []
        self._said_continue = False

    def feed(self, data: bytes) -> Iterator[HttpRequest]:
        """Yield each request that these bytes complete, in order; raises RequestRefused."""
        self._buffer += data
        while True:
            if self._head is None:
                self._head = self._read_head()
                if self._head is None:
                    return
                self._said_continue = False
            body = self._read_chunked() if self._head.length is None else self._read_length(self._head.length)
            if body is None:
                return
            head, self._head = self._head, None
            yield head.with_body(body)

    def wants_continue(self) -> bool:
        """Whether the client waits for `100 Continue` before it sends the body; True once per request."""
        if self._head is None or self._said_continue:
            return False
        self._said_continue = True
        return self._head.headers.get(b"expect", b"").lower() == b"100-continue"

    def _read_head(self) -> _Head | None:
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):  # a stray line before a request is allowed (RFC 9112, 2.2)
            del buffer[:2]
        end = buffer.find(_END_OF_HEAD)
        if end < 0:
            if len(buffer) > MOST_HEAD_BYTES:
                raise RequestRefused(431, f"the head is over {MOST_HEAD_BYTES} bytes")
            return None
        head = _head(bytes(buffer[:end]))
        del buffer[: end + len(_END_OF_HEAD)]
        return head

    def _read_length(self, length: int) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < length:
            return None
        body = bytes(buffer[:length])
        del buffer[:length]
        return body

    def _read_chunked(self) -> bytes | None:
        buffer = self._buffer
        while True:
            end = buffer.find(b"\r\n")
            if end < 0:
                return None
            size = _chunk_size(bytes(buffer[:end]))
            if size == 0:
                return self._read_trailers(end)
            if len(buffer) < end + size + 4:
                return None
            self._chunks.append(bytes(buffer[end + 2 : end + 2 + size]))
            if sum(map(len, self._chunks)) > MOST_BODY_BYTES:
                raise RequestRefused(413, f"the body is over {MOST_BODY_BYTES} bytes")
            del buffer[: end + size + 4]

    def _read_trailers(self, end: int) -> bytes | None:
        buffer = self._buffer
        if buffer[end : end + 4] == _END_OF_HEAD:
            del buffer[: end + 4]
        else:
            last = buffer.find(_END_OF_HEAD, end)
            if last < 0:
                return None
            del buffer[: last + 4]
        body = b"".join(self._chunks)
        self._chunks = []
        return body


def _head(raw: bytes) -> _Head:
    line, *fields = raw.split(b"\r\n")
    try:
        method, target, version = line.decode("ascii").split(" ")
    except ValueError:
        raise RequestRefused(400, "the request line is not one of HTTP") from None
    if version not in {"HTTP/1.1", "HTTP/1.0"}:
        raise RequestRefused(505, f"HTTP/1.1 is spoken here, not {version!r:.20}")
    headers: dict[bytes, bytes] = {}
    for field in fields:
        name, colon, value = field.partition(b":")
        if not colon or name != name.strip():
            raise RequestRefused(400, "a header line is not `name: value`")
        name = name.lower()
        if name == b"content-length" and headers.get(name, value.strip()) != value.strip():
            raise RequestRefused(400, "two content lengths")
        headers[name] = value.strip()
    path, _, query = target.partition("?")
    wish = headers.get(b"connection", b"").lower()
    keep_alive = wish != b"close" if version == "HTTP/1.1" else wish == b"keep-alive"
    return _Head(method, path, query, headers, keep_alive, _body_length(headers))


def _body_length(headers: Mapping[bytes, bytes]) -> int | None:
    encoding = headers.get(b"transfer-encoding")
    if encoding is not None:
        if encoding.lower() != b"chunked" or b"content-length" in headers:
            raise RequestRefused(400, "the body's length is ambiguous")
        return None
    told = headers.get(b"content-length", b"0")
    if not told.isdigit():
        raise RequestRefused(400, "the content length is no number")
    length = int(told[:20])
    if length > MOST_BODY_BYTES:
        raise RequestRefused(413, f"the body is over {MOST_BODY_BYTES} bytes")
    return length


def _chunk_size(line: bytes) -> int:
    digits = line.split(b";", 1)[0].strip()
    try:
        size = int(digits, 16)
    except ValueError:
        raise RequestRefused(400, "a chunk's size is no hexadecimal number") from None
    if not 0 <= size <= MOST_BODY_BYTES or not digits.isalnum():
        raise RequestRefused(413 if digits.isalnum() else 400, "a chunk's size is out of bounds")
    return size
