"""Where an endpoint's calls go out: over connections of our own, or through a proxy over aiohttp."""

from collections.abc import Mapping
from typing import Protocol

import aiohttp
import orjson
from pydantic import JsonValue
from yarl import URL

from fanzgpt_workers.providers.classification import broken
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.exchange import Answer, check_bounds, too_large
from fanzgpt_workers.providers.streamed import Feed
from fanzgpt_workers.providers.wire.direct import DirectSession

_USER_AGENT = "fanzgpt-workers"


class WireSession(Protocol):
    """POSTs JSON to one URL. Opened on first use; closed by `aclose`."""

    async def post(self, body: Mapping[str, JsonValue], headers: Mapping[str, str], feed: Feed | None = None) -> Answer:
        """One HTTP request: no retry, no redirect followed; raises ProviderError when the exchange breaks.

        With `feed` a successful answer's body is fed as it comes, and the answer holds none.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections; idempotent."""
        ...


def wire_session(endpoint: Endpoint, bounds: Bounds, *, url: str, headers: Mapping[str, str]) -> WireSession:
    """The session for an endpoint; nothing is opened yet. Raises ConfigurationError for a key that is no header."""
    fixed = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": _USER_AGENT,
        **headers,
    }
    if endpoint.api_key is not None:
        fixed["Authorization"] = f"Bearer {endpoint.api_key}"
    address = URL(url)
    if endpoint.proxy is not None or address.user is not None or address.scheme not in {"http", "https"}:
        return _AiohttpSession(bounds, url=address, headers=fixed, proxy=endpoint.proxy)
    return DirectSession(bounds, url=address, headers=fixed)


class _AiohttpSession:
    """The general client: proxies, credentials in the URL, and a URL that is none, each with its own words."""

    def __init__(self, bounds: Bounds, *, url: URL, headers: Mapping[str, str], proxy: str | None) -> None:
        self._url = url
        self._proxy = proxy
        self._bounds = bounds
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def post(self, body: Mapping[str, JsonValue], headers: Mapping[str, str], feed: Feed | None = None) -> Answer:
        session = self._session or self._open()
        try:
            async with session.post(
                self._url, data=orjson.dumps(body), headers=headers, allow_redirects=False, proxy=self._proxy
            ) as response:
                check_bounds(response.headers, limit=self._bounds.answer_bytes)
                fed = feed if response.status < 300 else None
                return Answer(response.status, response.headers, await self._read(response, fed))
        except (aiohttp.ClientError, OSError) as error:
            raise broken(error) from error

    async def aclose(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _read(self, response: aiohttp.ClientResponse, feed: Feed | None) -> bytes:
        limit, chunks, seen = self._bounds.answer_bytes, [], 0
        async for chunk in response.content.iter_any():
            seen += len(chunk)
            if seen > limit:
                raise too_large(limit)
            if feed is None:
                chunks.append(chunk)
            else:
                feed(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("this provider was closed")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._bounds.connections, keepalive_timeout=self._bounds.keepalive_seconds
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._bounds.connect_seconds),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self._session
