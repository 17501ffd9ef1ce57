"""One aiohttp session per endpoint, and one bounded POST over it."""

from collections.abc import Mapping

import aiohttp
import orjson
from pydantic import JsonValue
from yarl import URL

from fanzgpt_workers.providers.classification import broken
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.exchange import Answer, check_bounds, too_large

_USER_AGENT = "fanzgpt-workers"


class WireSession:
    """POSTs JSON to one URL. Opened on first use, since aiohttp wants the running loop; closed by `aclose`."""

    def __init__(self, endpoint: Endpoint, bounds: Bounds, *, url: str, headers: Mapping[str, str]) -> None:
        """Keep what a session is made of; nothing is opened yet."""
        self._url = URL(url)
        self._proxy = endpoint.proxy
        self._bounds = bounds
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": _USER_AGENT}
        self._headers.update(headers)
        if endpoint.api_key is not None:
            self._headers["Authorization"] = f"Bearer {endpoint.api_key}"
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def post(self, body: Mapping[str, JsonValue], headers: Mapping[str, str]) -> Answer:
        """One HTTP request: no retry, no redirect followed; raises ProviderError when the exchange breaks."""
        session = self._session or self._open()
        try:
            async with session.post(
                self._url, data=orjson.dumps(body), headers=headers, allow_redirects=False, proxy=self._proxy
            ) as response:
                check_bounds(response.headers, limit=self._bounds.answer_bytes)
                return Answer(response.status, response.headers, await self._read(response))
        except (aiohttp.ClientError, OSError) as error:
            raise broken(error) from error

    async def aclose(self) -> None:
        """Close the connections; idempotent."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        limit, chunks, seen = self._bounds.answer_bytes, [], 0
        async for chunk in response.content.iter_any():
            seen += len(chunk)
            if seen > limit:
                raise too_large(limit)
            chunks.append(chunk)
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
