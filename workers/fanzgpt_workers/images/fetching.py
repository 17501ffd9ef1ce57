"""Fetches an image from where a stranger says it is: the name is resolved once, and that very answer is connected to.

Every hop of a redirect is a new address and is judged as the first one was. What connects is judged a second time, at
the socket, so that no way into the client leads around the check.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from fanzgpt_workers.errors import InputRefused
from fanzgpt_workers.images.addresses import AddressPolicy

MOST_REDIRECTS: Final = 3
UNREACHED: Final = "imageUrl: no image could be fetched from this address"
_HEADERS: Final = {"Accept": "image/png,image/jpeg,image/gif,image/webp", "Accept-Encoding": "identity"}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Every IP address of a host name; raises OSError for a name without one."""


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """What the machine's resolver answers."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for _, _, _, _, sockaddr in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchBounds:
    """What one image may take, redirects included."""

    most_bytes: int
    seconds: float


class ImageFetcher:
    """Fetches images within an address policy. Errors never say which address a name has, nor who answered there."""

    def __init__(self, policy: AddressPolicy, bounds: FetchBounds, *, resolve: Resolve = system_resolve) -> None:
        """Nothing is opened; each image has a connection of its own, since a kept one would be nobody's address."""
        self._policy = policy
        self._bounds = bounds
        self._resolve = resolve

    async def check(self, text: str) -> str:
        """The URL, judged as if it were fetched, for somebody else to fetch; raises InputRefused."""
        url = self._policy.checked(text)
        try:
            async with asyncio.timeout(self._bounds.seconds):
                await _Judge(self._policy, self._resolve).resolve(url.raw_host or "", url.port or 0)
        except (OSError, UnicodeError) as error:
            raise InputRefused(UNREACHED, retryable=True) from error
        return str(url)

    async def fetch(self, text: str) -> bytes:
        """The body of the answer; raises InputRefused for an address, an answer or a size that is not taken."""
        try:
            async with asyncio.timeout(self._bounds.seconds):
                return await self._follow(text)
        except TimeoutError:
            detail = f"imageUrl: the image did not arrive within {self._bounds.seconds:g} s"
            raise InputRefused(detail, retryable=True) from None
        except (aiohttp.ClientError, OSError, UnicodeError, ValueError) as error:
            refused = _refusal_within(error)
            # From nothing else: a chained error would carry the address into a log.
            raise refused or InputRefused(UNREACHED, retryable=True) from None

    async def _follow(self, text: str) -> bytes:
        url: URL | None = None
        for _ in range(MOST_REDIRECTS + 1):
            url = self._policy.checked(text, base=url)
            async with self._session() as session, session.get(url, allow_redirects=False) as response:
                if response.status in _REDIRECTS and "location" in response.headers:
                    text = response.headers["location"]
                    continue
                if response.status != 200:
                    raise InputRefused(f"imageUrl: the address answered {response.status}", retryable=True)
                return await self._read(response)
        raise InputRefused(f"imageUrl: redirected more than {MOST_REDIRECTS} times")

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        limit = self._bounds.most_bytes
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise InputRefused("imageUrl: the image came compressed, which was not asked for")
        if (response.content_length or 0) > limit:
            raise _too_large(limit)
        parts, seen = [], 0
        async for part in response.content.iter_any():
            seen += len(part)
            if seen > limit:
                raise _too_large(limit)
            parts.append(part)
        return b"".join(parts)

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=_Judge(self._policy, self._resolve),
            socket_factory=self._socket,
            use_dns_cache=False,
            force_close=True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
            requote_redirect_url=False,
        )

    def _socket(self, told: aiohttp.AddrInfoType) -> socket.socket:
        """The last gate: an IP address in the URL itself is never resolved, and comes by here all the same."""
        family, kind, protocol, _, address = told
        self._policy.checked_answers([str(address[0])], port=int(address[1]))
        return socket.socket(family, kind, protocol)


class _Judge(AbstractResolver):
    """Resolves a name once; raises InputRefused where any of its addresses may not be reached."""

    def __init__(self, policy: AddressPolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002  # the interface's; every family is judged
    ) -> list[ResolveResult]:
        answers = await self._resolve(host, port)
        self._policy.checked_answers(answers, port=port)
        return [_result(host, answer, port) for answer in answers]

    async def close(self) -> None:
        """Nothing is held."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=0, flags=int(socket.AI_NUMERICHOST)
    )


def _refusal_within(error: BaseException) -> InputRefused | None:
    """Our own refusal, where the client has wrapped it in an error of its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputRefused):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _too_large(limit: int) -> InputRefused:
    return InputRefused(f"imageUrl: the image is larger than {limit:,} bytes")
