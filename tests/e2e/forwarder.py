"""A server's second address, which opens when a test says so."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Forwarder:
    """A loopback port on which nobody answers before `open`; then every connection goes on to the real server."""

    def __init__(self, target: str) -> None:
        """`target` is host:port."""
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Bound and not listening: the port is ours, and connections to it are refused.
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._stack = AsyncExitStack()
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Answer from now on."""
        server = await asyncio.start_server(self._accept, sock=self._socket)
        self._stack.callback(server.close)

    async def close(self) -> None:
        """Stop answering, and cut what is connected."""
        await self._stack.aclose()
        self._socket.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._connect(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))


@asynccontextmanager
async def forwarder(target: str) -> AsyncIterator[Forwarder]:
    """A closed forwarder for the block."""
    made = Forwarder(target)
    try:
        yield made
    finally:
        await made.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def forwarded_database(environ: dict[str, str]) -> AsyncIterator[tuple[dict[str, str], Forwarder]]:
    """Settings with the database at a second address, which can be cut."""
    parts = urlsplit(environ["DATABASE_URL"])
    login, _, server = parts.netloc.rpartition("@")
    async with forwarder(server) as database:
        await database.open()
        yield {**environ, "DATABASE_URL": urlunsplit(parts._replace(netloc=f"{login}@{database.address}"))}, database
