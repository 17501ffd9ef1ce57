"""The HTTP client beneath an SDK: bounded answers, no redirects, as many connections as there are calls."""

from collections.abc import AsyncIterator
from typing import Final

import httpx2

from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.exchange import check_bounds, too_large

PLAIN: Final = {"Accept-Encoding": "identity"}


def timeout(bounds: Bounds) -> httpx2.Timeout:
    """Only connecting has a time of its own; the whole call is timed by its caller."""
    return httpx2.Timeout(None, connect=bounds.connect_seconds)


def http_client(client: type[httpx2.AsyncClient], endpoint: Endpoint, bounds: Bounds) -> httpx2.AsyncClient:
    """An SDK's own client class, set up for us.

    A followed redirect would be a second call, so none is. The environment's proxy variables are not read.
    """

    async def bound(response: httpx2.Response) -> None:
        check_bounds(response.headers, limit=bounds.answer_bytes)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(response.stream, bounds.answer_bytes)

    return client(
        timeout=timeout(bounds),
        limits=httpx2.Limits(
            max_connections=bounds.connections,
            max_keepalive_connections=bounds.connections,
            keepalive_expiry=bounds.keepalive_seconds,
        ),
        follow_redirects=False,
        trust_env=False,
        proxy=endpoint.proxy,
        event_hooks={"response": [bound]},
    )


class _Bounded(httpx2.AsyncByteStream):
    """Passes a body on up to its limit, then raises Malformed."""

    def __init__(self, stream: httpx2.AsyncByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._stream:
            seen += len(chunk)
            if seen > self._limit:
                raise too_large(self._limit)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
