"""An issuer's public keys, read from where it publishes them (JWKS): one algorithm, a fixed address, bounded look-ups.

Which address is read is configured; a token chooses among the keys found there by `kid`, and nothing else.
"""

import asyncio
import logging
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import urlsplit

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

log = logging.getLogger(__name__)

FRESH_SECONDS: Final = 300.0
"""Older keys are read again: a key that was withdrawn is believed no longer than this and one reading."""
STALE_SECONDS: Final = 3_600.0
"""An issuer that cannot be read for so long has no keys any more, and its tokens are refused."""
PAUSE_SECONDS: Final = 10.0
"""Between two readings, whatever tokens ask for: unknown key ids cost the issuer one request in this time."""
FETCH_SECONDS: Final = 5.0
MOST_BYTES: Final = 65_536
MOST_KEYS: Final = 100
RSA_BITS: Final = 2048

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
Fetch = Callable[[str], Awaitable[bytes]]


class KeySet:
    """The keys at one address. Whatever goes wrong there, no key that was not read there is ever given out."""

    def __init__(self, url: str, algorithm: str, *, fetch: Fetch, clock: Callable[[], float]) -> None:
        """Reads nothing yet; `clock` gives seconds, from whenever."""
        self._url = url
        self._algorithm = algorithm
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, PublicKey] = {}
        self._read_at = float("-inf")
        self._next_try = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> PublicKey | None:
        """The key of this id; None where there is none, or nobody can say.

        A key that is known is given at once, and read again beside it when it is old; an unknown one is waited for.
        """
        if kid not in self._keys or self._age() > STALE_SECONDS:
            await self._read()
        elif self._age() > FRESH_SECONDS:
            self._begin()
        return self._keys.get(kid) if self._age() <= STALE_SECONDS else None

    def _age(self) -> float:
        return self._clock() - self._read_at

    async def _read(self) -> None:
        self._begin()
        if self._reading is not None:
            await asyncio.shield(self._reading)

    def _begin(self) -> None:
        """Begin to read, unless that is under way or was done a moment ago."""
        if self._reading is None and self._clock() >= self._next_try:
            self._next_try = self._clock() + PAUSE_SECONDS
            self._reading = asyncio.create_task(self._replace())

    async def _replace(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = keys_in(await self._fetch(self._url), self._algorithm)
            self._read_at = self._clock()
        except (OSError, ValueError, TimeoutError) as error:
            log.warning("the keys at %s could not be read: %s", self._url, _words(error))
        finally:
            self._reading = None


def keys_in(document: bytes, algorithm: str) -> dict[str, PublicKey]:
    """The keys of the algorithm in a key set, by id; those that cannot be used are left out.

    Raises:
        ValueError: the document is no key set.
    """
    held = orjson.loads(document)
    listed = held.get("keys") if isinstance(held, dict) else None
    if not isinstance(listed, list):
        raise ValueError("is no key set")  # noqa: TRY004 - of the document's kind of wrong
    found: dict[str, PublicKey] = {}
    for entry in listed[:MOST_KEYS]:
        kid = entry.get("kid") if isinstance(entry, dict) else None
        key = _usable(entry, algorithm) if isinstance(kid, str) else None
        if isinstance(kid, str) and key is not None:
            found.setdefault(kid, key)
    return found


def _usable(entry: Mapping[str, Any], algorithm: str) -> PublicKey | None:
    """A signature key of this algorithm, public and strong enough; None for anything else."""
    if entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm or "d" in entry:
        return None
    try:
        key = jwt.PyJWK(dict(entry), algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    match algorithm, key:
        case "RS256", RSAPublicKey() if key.key_size >= RSA_BITS:
            return key
        case "ES256", EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return key
        case "EdDSA", Ed25519PublicKey():
            return key
        case _:
            return None


def is_published_safely(url: str) -> bool:
    """Whether an address may be read for keys: over TLS, or from this machine itself."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None:
        return False
    if parts.scheme == "https":
        return True
    try:
        return parts.scheme == "http" and ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


async def fetch_keys(url: str) -> bytes:
    """The document at an address: no redirect is followed, no proxy asked, no more read than a key set may be long."""
    return await asyncio.to_thread(_fetched, url)


def _fetched(url: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url), timeout=FETCH_SECONDS) as response:  # noqa: S310 - see `is_published_safely`
        document: bytes = response.read(MOST_BYTES + 1)
    if len(document) > MOST_BYTES:
        raise ValueError(f"is longer than {MOST_BYTES} bytes")
    return document


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """None: then the redirect is the error that it is here."""


def _words(error: Exception) -> str:
    return str(error.reason) if isinstance(error, URLError) else f"{type(error).__name__}: {error}"
