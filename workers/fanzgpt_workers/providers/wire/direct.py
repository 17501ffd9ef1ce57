"""POSTs to one URL over connections of our own: a fraction of a general client's work per call."""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Final

import orjson
from pydantic import JsonValue
from yarl import URL

from fanzgpt_workers.errors import ConfigurationError, Unreachable
from fanzgpt_workers.providers.endpoint import Bounds
from fanzgpt_workers.providers.exchange import Answer
from fanzgpt_workers.providers.streamed import Feed
from fanzgpt_workers.providers.wire.connection import WireConnection

_CONTROL: Final = frozenset(map(chr, (*range(32), 127)))


class DirectSession:
    """Keeps connections to one server and sends each call over the one that was used last.

    Nothing is opened before the first call. A call waits for a connection where all that `bounds` allow are in use;
    connections that were idle for too long are closed and never used.
    """

    def __init__(self, bounds: Bounds, *, url: URL, headers: Mapping[str, str]) -> None:
        """Nothing is opened yet.

        Raises ConfigurationError for a URL without a host, and for a header that could break out of its line, such as a
        key with a line end.
        """
        for name, value in headers.items():
            if not _CONTROL.isdisjoint(value) or not value.isascii():
                raise ConfigurationError(f"the {name} header for {url.host} holds what no header may hold")
        if url.host is None or url.port is None:
            raise ConfigurationError(f"{url} names no server to call; it should look like https://host/v1")
        self._host, self._port, self._is_secure = url.host, url.port, url.scheme == "https"
        self._bounds = bounds
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._head = f"POST {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n{lines}"
        self._idle: deque[WireConnection] = deque()
        self._room = asyncio.Semaphore(bounds.connections)
        self._context: ssl.SSLContext | None = None
        self._closed = False

    async def post(self, body: Mapping[str, JsonValue], headers: Mapping[str, str], feed: Feed | None = None) -> Answer:
        """One HTTP request: no retry, no redirect followed; raises ProviderError when the exchange breaks.

        With `feed` a successful answer's body is fed as it comes, and the answer holds none.
        Header values are those of `call_headers`, which are text without line ends.
        """
        content = orjson.dumps(body)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        request = f"{self._head}{lines}Content-Length: {len(content)}\r\n\r\n".encode("ascii") + content
        async with self._room:
            connection = self._idle_one() or await self._connect()
            answer = await connection.exchange(request, feed)
            if connection.is_idle:
                self._keep(connection)
            return answer

    async def aclose(self) -> None:
        """Close the connections; idempotent."""
        self._closed = True
        while self._idle:
            self._idle.pop().abort()

    def _idle_one(self) -> WireConnection | None:
        if self._closed:
            raise RuntimeError("this provider was closed")
        too_long_ago = asyncio.get_running_loop().time() - self._bounds.keepalive_seconds
        while self._idle:
            connection = self._idle.pop()
            if connection.is_idle and connection.idle_since > too_long_ago:
                return connection
            connection.abort()
        return None

    def _keep(self, connection: WireConnection) -> None:
        """For the next call; those at the other end, unused for too long, go."""
        if self._closed:
            connection.abort()
            return
        connection.idle_since = now = asyncio.get_running_loop().time()
        self._idle.append(connection)
        while self._idle[0].idle_since < now - self._bounds.keepalive_seconds:
            self._idle.popleft().abort()

    async def _connect(self) -> WireConnection:
        try:
            async with asyncio.timeout(self._bounds.connect_seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: WireConnection(answer_bytes=self._bounds.answer_bytes),
                    self._host,
                    self._port,
                    ssl=self._tls() if self._is_secure else None,
                )
        except TimeoutError as error:
            raise Unreachable(f"no connection: {self._host} did not take one in time") from error
        except OSError as error:
            raise Unreachable(f"no connection: {error}") from error
        return connection

    def _tls(self) -> ssl.SSLContext:
        """One context for all connections: making it reads every certificate of the system."""
        if self._context is None:
            self._context = ssl.create_default_context()
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context
