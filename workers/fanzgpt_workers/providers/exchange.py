"""One HTTP exchange, as every adapter sees it: what goes out beside the body, and what came back."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from fanzgpt_workers.errors import Malformed, TimedOut
from fanzgpt_workers.ports import ProviderCall

CLIENT_REQUEST_ID: Final = "X-Client-Request-Id"
FANZGPT_REQUEST_ID: Final = "X-Fanzgpt-Request-Id"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (any case) and the whole body."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def call_headers(call: ProviderCall) -> dict[str, str]:
    """What names the call to the provider: the attempt, and the request percent-encoded, since ids may be any text.

    Compression is declined: answers are small, and a compressed one could unfold past every bound.
    """
    return {
        "Accept-Encoding": "identity",
        CLIENT_REQUEST_ID: str(call.attempt_id),
        FANZGPT_REQUEST_ID: quote(call.request_id, safe=""),
    }


async def in_time(call: ProviderCall, exchange: Coroutine[Any, Any, Answer]) -> Answer:
    """Await the exchange, connecting included, for the call's time; then raise TimedOut with its connection closed.

    Without any time left nothing is sent.
    """
    if call.timeout <= 0:
        exchange.close()
        raise TimedOut("no time was left to make the call")
    try:
        async with asyncio.timeout(call.timeout):
            return await exchange
    except TimeoutError as error:
        raise TimedOut(f"no answer within {call.timeout:g} s") from error


def check_bounds(headers: Mapping[str, str], *, limit: int) -> None:
    """Raise Malformed for an answer that says it is too large, or that could unfold past the limit."""
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise Malformed(f"the answer is encoded as {encoding!r:.40}, which was not asked for")
    length = headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and int(length[:20]) > limit:
        raise too_large(limit)


def too_large(limit: int) -> Malformed:
    """The error for an answer past the limit."""
    return Malformed(f"the answer is larger than {limit} bytes and was not read to its end")
