"""Tokens (JWT): believed only where every part of them is as their issuer was configured.

The library verifies signature and times; what surrounds it is refused here first, because a token's own words must
never decide how it is verified: no algorithm, key or address in a header is followed.
"""

import json
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import jwt

from fanzgpt_gateway.auth.jwks import Fetch, KeySet, PublicKey, fetch_keys
from fanzgpt_gateway.auth.trusted import IssuerSettings

LONGEST: Final = 8_192
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")
_KNOWN_HEADERS: Final = frozenset({"alg", "typ", "kid", "cty"})
_TYPES: Final = frozenset({"jwt", "at+jwt"})
_LATEST: Final = 2**40  # of seconds since 1970: some 35,000 years
Json = dict[str, Any]


class TokenRefused(Exception):
    """The token is not believed; the text is for our logs, never for whoever presented it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom a token speaks of."""

    user_id: str
    permissions: frozenset[str]
    subscription: str | None = None


class Tokens:
    """Verifies tokens of a fixed set of issuers."""

    def __init__(
        self,
        issuers: Sequence[IssuerSettings],
        *,
        leeway_seconds: int,
        fetch: Fetch = fetch_keys,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """An issuer without a name takes every token whose `iss` is nobody else's; `fetch` reads published keys."""
        self._issuers = {(issuer.issuer, issuer.kid): issuer for issuer in issuers}
        self._published = {
            issuer.issuer: (issuer, KeySet(issuer.jwks, issuer.algorithm, fetch=fetch, clock=clock))
            for issuer in issuers
            if issuer.jwks is not None
        }
        self._named = frozenset(issuer.issuer for issuer in issuers)
        self._leeway = leeway_seconds

    async def person(self, token: str) -> Person:
        """Whom the token speaks of; raises TokenRefused for whatever is wrong with it.

        Waits only where a published key is not known here yet.
        """
        try:
            return await self._person(token)
        except TokenRefused:
            raise
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise TokenRefused(f"{type(error).__name__}") from error

    async def _person(self, token: str) -> Person:
        header, claims = _parts(token)
        issuer = self._issuer(header, claims)
        if header.get("alg") != issuer.algorithm:
            _refuse("an algorithm that is not its issuer's")
        verified = jwt.decode(
            token,
            await self._key(issuer, header.get("kid")),
            algorithms=[issuer.algorithm],
            audience=issuer.audience,
            issuer=issuer.issuer,
            leeway=self._leeway,
            options={"require": ["exp"], "strict_aud": True, "verify_iss": issuer.issuer is not None},
        )
        for name in ("exp", "nbf", "iat"):
            if name in verified and not (type(verified[name]) is int and 0 < verified[name] < _LATEST):
                _refuse(f"{name} is no time in whole seconds")
        return _described(verified)

    def _issuer(self, header: Json, claims: Json) -> IssuerSettings:
        name, kid = claims.get("iss"), header.get("kid")
        if not isinstance(name, str | None) or not isinstance(kid, str | None):
            _refuse("iss or kid is no text")
        known_as = name if name in self._named else None
        if known_as in self._published:
            return self._published[known_as][0]
        issuer = self._issuers.get((known_as, kid))
        if issuer is None:
            _refuse("an issuer or a key that is not known here")
        return issuer

    async def _key(self, issuer: IssuerSettings, kid: str | None) -> PublicKey | str:
        if issuer.key is not None:
            return issuer.key.get_secret_value()
        _, published = self._published[issuer.issuer]
        key = await published.key(kid) if kid is not None else None
        if key is None:
            _refuse("a key that its issuer does not publish, or whose issuer cannot be asked")
        return key


def _parts(token: str) -> tuple[Json, Json]:
    """Header and claims, unverified: only to find the issuer they must then be verified against."""
    if len(token) > LONGEST:
        _refuse("too long")
    parts = token.split(".")
    if len(parts) != 3 or not all(map(_BASE64URL.fullmatch, parts)):
        _refuse("not three parts in base64url")
    header, claims = _object(parts[0]), _object(parts[1])
    if not header.keys() <= _KNOWN_HEADERS:
        _refuse("a header that would change how it is verified")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        _refuse("another kind of token")
    return header, claims


def _object(part: str) -> Json:
    text = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    value = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_refuse, parse_float=_float)
    if not isinstance(value, dict):
        _refuse("no object")
    return value


def _unrepeated(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse("a name that stands twice: readers would differ on its value")
    return found


def _float(text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        _refuse("a number that is none")
    return value


def _described(claims: Json) -> Person:
    user_id, permissions, subscription = (claims.get(name) for name in ("userId", "permissions", "subscription"))
    if not isinstance(user_id, str) or not 0 < len(user_id) <= 256 or "\0" in user_id:
        _refuse("no userId")
    granted = permissions if isinstance(permissions, list) else []
    return Person(
        user_id=user_id,
        permissions=frozenset(each for each in granted if isinstance(each, str)),
        subscription=subscription if isinstance(subscription, str) else None,
    )


def _refuse(why: str) -> NoReturn:
    raise TokenRefused(why)
