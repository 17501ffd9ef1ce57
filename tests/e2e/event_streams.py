"""Reading server-sent events as a browser does."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from tests.e2e.gateways import Caller


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    name: str
    data: Any
    id: str | None = None


class Stream:
    """An answer that is read event by event; `heartbeats` counts the comments between them."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.heartbeats = 0

    async def __aiter__(self) -> AsyncIterator[Event]:
        fields: dict[str, str] = {}
        async for raw in self.response.content:
            line = raw.decode().rstrip("\n")
            if line.startswith(":"):
                self.heartbeats += 1
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                yield Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
                fields = {}

    async def all(self) -> list[Event]:
        """Every event until the last."""
        return [event async for event in self]


@asynccontextmanager
async def streamed(
    caller: Caller, path: str, body: object = None, *, method: str = "POST", seconds: float = 40, **headers: str
) -> AsyncIterator[Stream]:
    """An answer as events; the connection is closed with the block."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with caller.session.request(
        method,
        caller.url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Accept": "text/event-stream", "Content-Type": "application/json", **caller.headers, **named},
        timeout=aiohttp.ClientTimeout(total=seconds),
    ) as response:
        yield Stream(response)


def text_of(events: list[Event]) -> str:
    """What a watcher has on their screen after these events."""
    shown = ""
    for event in events:
        if event.name == "restart":
            shown = ""
        elif event.name == "delta":
            shown += event.data["text"]
    return shown
