"""Images made for tests, and a server that hands them out and counts who came."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 32), colour: tuple[int, int, int] = (50, 90, 200)) -> bytes:
    """A real image of one colour."""
    into = BytesIO()
    Image.new("RGB", size, colour).save(into, kind)
    return into.getvalue()


def answer(body: bytes = b"", *, status: str = "200 OK", **headers: str) -> bytes:
    """An HTTP answer to its last byte."""
    told = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


@dataclass
class Listener:
    """Somebody who listens: how many connected, and what they asked for."""

    host: str
    port: int = 0
    connections: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@asynccontextmanager
async def listening(
    answers: Callable[[str], bytes], *, host: str = "127.0.0.1", port: int = 0, hang: bool = False
) -> AsyncIterator[Listener]:
    """A server that answers each path so; with `hang` its answers never end."""
    listener = Listener(host)
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            listener.asked.append(path)
            writer.write(answers(path))
            await writer.drain()
            if hang:
                await over.wait()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, host, port)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener
        over.set()
