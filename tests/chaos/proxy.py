"""A small TCP proxy that does to a connection what networks do: latency, resets, black holes, one-way cuts."""

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

Fault = Literal["none", "black-hole", "deaf", "mute", "refuse"]
_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)


class FaultProxy:
    """Forwards one address, in a thread and on a loop of its own; every method may be called from anywhere.

    `black-hole`: bytes of both sides vanish. `deaf`: the server hears nothing more; `mute`: nothing of it comes back.
    `refuse`: connections are taken and reset at once. `latency` in seconds is added to every chunk in each direction,
    `bandwidth` in bytes a second is what each may have. `counts` tells which faults met any traffic.
    """

    def __init__(self, host: str, port: int) -> None:
        """Forward to this address; nothing is connected before somebody connects."""
        self._target = (host, port)
        self._fault: Fault = "none"
        self.latency = 0.0
        self.bandwidth: float | None = None
        self.counts: Counter[str] = Counter()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(0), self._loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def inflict(self, fault: Fault) -> None:
        """From now on, on connections old and new."""
        self._fault = fault

    def shut(self) -> None:
        """Listen no more, and break what is connected: whoever comes is refused by the system itself."""

        async def closed() -> None:
            self._server.close()

        asyncio.run_coroutine_threadsafe(closed(), self._loop).result(10)
        self.reset()
        self.counts["shut"] += 1

    def open(self) -> None:
        """Listen again, on the same port."""
        self._server = asyncio.run_coroutine_threadsafe(self._listen(self.port), self._loop).result(10)

    def reset(self) -> int:
        """Break every connection there is, with RST; returns how many."""

        async def broken() -> int:
            found = {id(writer.get_extra_info("socket")): writer for writer in self._writers}
            for writer in found.values():
                _break(writer)
            return len(found)

        number = asyncio.run_coroutine_threadsafe(broken(), self._loop).result(10)
        self.counts["reset"] += number
        return number

    def close(self) -> None:
        """Forward no more."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", port)

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._fault == "refuse":
            self.counts["refuse"] += 1
            _break(writer)
            return
        with suppress(OSError, asyncio.CancelledError):
            there, to_there = await asyncio.open_connection(*self._target)
            self._writers |= {writer, to_there}
            try:
                await asyncio.gather(self._copy(reader, to_there, "deaf"), self._copy(there, writer, "mute"))
            finally:
                self._writers -= {writer, to_there}
                writer.close()
                to_there.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost_when: Fault) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.latency or self.bandwidth:
                    self.counts["slow"] += 1
                    await asyncio.sleep(self.latency + (len(data) / self.bandwidth if self.bandwidth else 0.0))
                if self._fault in ("black-hole", lost_when):
                    self.counts[self._fault] += 1
                    continue
                writer.write(data)
                await writer.drain()
        writer.close()


def _break(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@contextmanager
def proxied(url: str) -> Iterator[tuple[str, FaultProxy]]:
    """The same URL through a proxy, for the block."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    proxy = FaultProxy(parts.hostname or "127.0.0.1", parts.port or 80)
    try:
        yield urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{proxy.port}")), proxy
    finally:
        proxy.close()
