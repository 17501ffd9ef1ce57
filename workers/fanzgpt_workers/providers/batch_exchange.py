"""What both makers' batch APIs have in common: bounds, names, and the reading of what became of one call."""

from collections.abc import AsyncIterator, Callable
from typing import Final
from uuid import UUID

import orjson

from fanzgpt_workers.batches.ports import CallEnded
from fanzgpt_workers.errors import Malformed, Overloaded, ProviderError
from fanzgpt_workers.ports import Completion
from fanzgpt_workers.providers.classification import NOTHING_ASKED, refusal
from fanzgpt_workers.providers.endpoint import Bounds
from fanzgpt_workers.providers.exchange import Answer

BOUNDS: Final = Bounds(connections=8, answer_bytes=1024 * 1024 * 1024)
"""Results come as one answer of many megabytes, which is read line by line."""
CREATION_SECONDS: Final = 120.0
"""How long handing a batch over may take, upload included."""
EXCHANGE_SECONDS: Final = 30.0


def named(custom_id: object) -> UUID | None:
    """The attempt that a custom id names; None for one that is not ours."""
    try:
        return UUID(hex=str(custom_id))
    except ValueError:
        return None


def answered(attempt_id: UUID, body: object, read: Callable[[bytes], Completion]) -> CallEnded:
    """The end of a call that was answered with this JSON."""
    try:
        return CallEnded(attempt_id=attempt_id, ended=read(orjson.dumps(body)))
    except ProviderError as error:
        return CallEnded(attempt_id=attempt_id, ended=error)


def refused(attempt_id: UUID, status: int, body: object, *, now: float) -> CallEnded:
    """The end of a call that was refused with this JSON."""
    error = refusal(Answer(status, {}, orjson.dumps(body)), prompt=NOTHING_ASKED, now=now)
    return CallEnded(attempt_id=attempt_id, ended=error)


def not_made(attempt_id: UUID, why: str) -> CallEnded:
    """The end of a call that was never made, so that it costs nothing."""
    return CallEnded(attempt_id=attempt_id, ended=Overloaded(f"not made within its batch: {why}"))


async def json_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[object]:
    """The values of a text of one JSON value a line; raises Malformed."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield _value(line)
    if rest.strip():
        yield _value(rest)


def _value(line: bytes) -> object:
    try:
        value: object = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise Malformed("a line of a batch's results is not JSON") from None
    return value
