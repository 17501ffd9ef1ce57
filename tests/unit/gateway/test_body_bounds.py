import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from fanzgpt_gateway.web.body_bounds import DEEPEST, BodyBounds, depth_exceeds

JSON = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=30,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(JSON, st.integers(0, 6), st.booleans())
def test_depth_is_that_of_arrays_and_objects_whatever_stands_in_strings(
    value: object, limit: int, ascii_only: bool
) -> None:
    assert depth_exceeds(json.dumps(value, ensure_ascii=ascii_only).encode(), limit) == (depth(value) > limit)


@pytest.mark.parametrize(
    "body", [b"[" * 500_000, b'"' + b"\\" * 500_000, b'["' + b'\\"' * 300_000, b'"[' * 300_000, b"[]" * 300_000]
)
def test_looking_for_depth_takes_no_longer_for_bodies_made_to_be_slow(body: bytes) -> None:
    began = time.process_time()
    depth_exceeds(body, DEEPEST)
    assert time.process_time() - began < 1


async def sent(*parts: bytes, length: int | None = None, pause: float = 0) -> tuple[int, bytes]:
    """The status and body that a call with these parts is answered with, by an application that echoes."""
    waiting = list(parts)

    async def receive() -> Message:
        await asyncio.sleep(pause)
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message["body"]})

    told: list[Message] = []

    async def send(message: Message) -> None:
        told.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    await BodyBounds(echo, most_bytes=10, seconds=0.2)(scope, receive, send)
    return told[0]["status"], told[1]["body"]


async def test_a_body_within_its_bounds_is_handed_on_whole() -> None:
    assert await sent(b"12345", b"", b"67890") == (200, b"1234567890")


async def test_a_body_is_refused_as_soon_as_it_is_known_to_be_too_long() -> None:
    for status, body in (await sent(length=11), await sent(b"12345", b"678901", b"never read")):
        assert status == 413
        assert json.loads(body) == {"error": "Body too large", "message": "At most 10 bytes are taken"}


async def test_a_length_that_lies_is_found_out() -> None:
    assert (await sent(b"12345678901", length=3))[0] == 413


async def test_a_body_that_drips_is_not_waited_for() -> None:
    status, body = await sent(*[b"1"] * 9, pause=0.05)
    assert (status, json.loads(body)["error"]) == (408, "Body too slow")


async def test_a_body_that_is_nested_too_deep_is_refused_unparsed() -> None:
    bound = BodyBounds(lambda *_: asyncio.sleep(0), most_bytes=1_000, seconds=1)
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"[" * (DEEPEST + 1), "more_body": False}

    async def send(message: Message) -> None:
        told.append(message)

    await bound({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
    assert told[0]["status"] == 400
