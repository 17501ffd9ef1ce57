"""One HTTP/1.1 connection: one request out, one bounded answer in, then the next."""

import asyncio
from typing import Final

import httptools

from fanzgpt_workers.errors import Cut, Malformed, ProviderError, Unreachable
from fanzgpt_workers.providers.exchange import Answer, check_bounds, too_large
from fanzgpt_workers.providers.streamed import Feed

HEAD_BYTES: Final = 65_536


class WireConnection(asyncio.Protocol):
    """Carries one exchange at a time; `is_idle` says whether it may carry the next.

    An answer is bounded while it arrives: past its bound, and past 64 KiB of head, the connection is cut. Bytes that
    nobody asked for end the connection, so that they can never be read as the answer to the next request.
    """

    __slots__ = (
        "_answer",
        "_body",
        "_ends_with_connection",
        "_feed",
        "_headers",
        "_limit",
        "_loop",
        "_parser",
        "_seen",
        "_transport",
        "idle_since",
    )

    def __init__(self, *, answer_bytes: int) -> None:
        """For `loop.create_connection`."""
        self._limit = answer_bytes
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._feed: Feed | None = None
        self._seen = 0
        self._ends_with_connection = False
        self.idle_since = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether it is open and carries nothing."""
        return self._transport is not None and self._answer is None and not self._transport.is_closing()

    async def exchange(self, request: bytes, feed: Feed | None = None) -> Answer:
        """Send and wait for the whole answer; ended early, by cancellation too, the connection is cut.

        With `feed` a successful answer's body is fed as it comes; a ProviderError that it raises ends the exchange.

        Raises:
            Unreachable: the connection was gone already; nothing was sent.
            Cut: the connection broke before the answer was whole.
            Malformed: what came is not HTTP, or more than may be read.
        """
        if self._transport is None or self._transport.is_closing():
            raise Unreachable("no connection: it was closed as soon as it was open")
        self._seen = 0
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._answer, self._feed = answer, feed
        try:
            self._transport.write(request)
            return await answer
        except BaseException:
            self.abort()
            raise
        finally:
            self._answer = None

    def abort(self) -> None:
        """Close it now, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = transport  # type: ignore[assignment]  # the loop promises a Transport to a Protocol

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._answer is None or self._answer.done():
            self.abort()
            return
        self._seen += len(data)
        try:
            if self._seen > self._limit + HEAD_BYTES:
                raise too_large(self._limit)
            self._parser.feed_data(data)
        except ProviderError as error:
            self._fail(error)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._fail(cause if isinstance(cause, ProviderError) else Malformed("what came back could not be read"))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(Malformed(f"what came back is not HTTP: {type(error).__name__}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        if self._ends_with_connection and exc is None:
            self.on_message_complete()
            return
        self._fail(Cut(f"the connection broke: {exc or 'closed by the server before the answer was whole'}"))

    def on_message_begin(self) -> None:
        """Of the parser; a second answer to one request ends the connection."""
        self._headers, self._body, self._ends_with_connection = {}, [], False
        if self._answer is None or self._answer.done():
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of the parser; of a repeated header the first one counts."""
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Of the parser."""
        headers, status = self._headers, self._parser.get_status_code()
        check_bounds(headers, limit=self._limit)
        framed = "content-length" in headers or "transfer-encoding" in headers
        self._ends_with_connection = not framed and status >= 200 and status not in {204, 304}

    def on_body(self, body: bytes) -> None:
        """Of the parser."""
        if self._feed is not None and self._parser.get_status_code() < 300:
            self._feed(body)
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Of the parser; an interim answer (1xx) is not the one that is waited for."""
        status = self._parser.get_status_code()
        if status < 200 or self._answer is None or self._answer.done():
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._answer.set_result(Answer(status, self._headers, body))
        if self._ends_with_connection or not self._parser.should_keep_alive():
            self.abort()

    def _fail(self, error: ProviderError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.abort()
