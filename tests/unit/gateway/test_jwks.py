"""Keys by address: believed while they are published, looked for within bounds, refused when nobody can say."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.gateway.forging import (
    EC_KEY,
    ED_KEY,
    RSA_KEY,
    Signing,
    b64,
    claims,
    eddsa,
    es256,
    hs256,
    pem,
    rs256,
    token,
    unsigned,
)

from fanzgpt_gateway.auth.jwks import (
    FRESH_SECONDS,
    MOST_BYTES,
    PAUSE_SECONDS,
    STALE_SECONDS,
    fetch_keys,
    is_published_safely,
    keys_in,
)
from fanzgpt_gateway.auth.tokens import TokenRefused, Tokens
from fanzgpt_gateway.auth.trusted import Algorithm, IssuerSettings

URL = "https://main.example/.well-known/jwks.json"
Json = dict[str, Any]


def published(key: Any, kid: str = "1", **more: object) -> Json:
    """A public key as a key set lists it."""
    kind: Any = {rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm, ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm}
    algorithm = next((of for private, of in kind.items() if isinstance(key, private)), jwt.algorithms.OKPAlgorithm)
    entry: Json = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {**entry, "kid": kid, **more}


class Site:
    """Publishes keys, and counts who reads them."""

    def __init__(self, *entries: Mapping[str, object]) -> None:
        self.entries: list[Mapping[str, object]] = list(entries)
        self.is_down = False
        self.reads = 0
        self.now = 0.0

    async def fetch(self, url: str) -> bytes:
        assert url == URL
        self.reads += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise OSError("no route")
        return json.dumps({"keys": self.entries}).encode()

    def tokens(self, algorithm: Algorithm = "RS256") -> Tokens:
        issuer = IssuerSettings(issuer="main", algorithm=algorithm, jwks=URL)
        return Tokens([issuer], leeway_seconds=30, fetch=self.fetch, clock=lambda: self.now)


def signed(kid: str | None = "1", algorithm: str = "RS256", sign: Signing = rs256, **changes: Any) -> str:
    header = {"alg": algorithm, "typ": "JWT", **({} if kid is None else {"kid": kid})}
    return token(claims(iss="main", **changes), header=header, sign=sign)


async def is_believed(known: Tokens, presented: str) -> bool:
    try:
        await known.person(presented)
    except TokenRefused:
        return False
    return True


@pytest.mark.parametrize(
    ("algorithm", "key", "sign"), [("RS256", RSA_KEY, rs256), ("ES256", EC_KEY, es256), ("EdDSA", ED_KEY, eddsa)]
)
async def test_a_token_is_believed_under_a_published_key_which_is_read_once(
    algorithm: Algorithm, key: Any, sign: Signing
) -> None:
    site = Site(published(key))
    known = site.tokens(algorithm)
    for _ in range(5):
        assert (await known.person(signed(algorithm=algorithm, sign=sign))).user_id == "u-1"
    assert site.reads == 1


async def test_many_tokens_at_once_wait_for_one_reading() -> None:
    site = Site(published(RSA_KEY))
    known = site.tokens()
    assert all(await asyncio.gather(*(is_believed(known, signed()) for _ in range(50))))
    assert site.reads == 1


async def test_a_new_key_is_found_and_unknown_ones_are_looked_for_within_bounds() -> None:
    site = Site(published(RSA_KEY))
    known = site.tokens()
    assert await is_believed(known, signed())
    for number in range(100):
        assert not await is_believed(known, signed(f"unknown-{number}"))
    assert site.reads == 1, "the pause has not passed yet"
    site.entries.append(published(RSA_KEY, "2"))
    site.now += PAUSE_SECONDS
    assert await is_believed(known, signed("2"))
    assert not await is_believed(known, signed("3"))
    assert site.reads == 2


async def test_a_key_that_is_withdrawn_is_believed_no_longer_than_it_is_fresh() -> None:
    site = Site(published(RSA_KEY))
    known = site.tokens()
    assert await is_believed(known, signed())
    site.entries = []
    site.now += FRESH_SECONDS + 1
    await is_believed(known, signed())  # the last one, while it is read again
    await asyncio.sleep(0.01)
    assert not await is_believed(known, signed())


async def test_an_issuer_that_is_down_is_lived_without_for_a_while_and_then_nobody_is_believed() -> None:
    site = Site(published(RSA_KEY))
    known = site.tokens()
    assert await is_believed(known, signed())
    site.is_down = True
    site.now += STALE_SECONDS - 1
    assert await is_believed(known, signed())
    site.now += PAUSE_SECONDS
    assert not await is_believed(known, signed())
    site.is_down = False
    site.now += PAUSE_SECONDS
    assert await is_believed(known, signed())


async def test_an_issuer_that_was_never_read_has_no_keys() -> None:
    site = Site(published(RSA_KEY))
    site.is_down = True
    assert not await is_believed(site.tokens(), signed())


FORGED: dict[str, str] = {
    "no key id": signed(None),
    "another key's id": signed("2"),
    "an id that walks": signed("../../dev/null"),
    "an id that asks the database": signed("1' OR '1'='1"),
    "the public key as a secret": signed(algorithm="HS256", sign=hs256(pem(RSA_KEY))),
    "the public key as a secret under its own algorithm": signed(sign=hs256(pem(RSA_KEY))),
    "no algorithm": signed(algorithm="none", sign=unsigned),
    "another algorithm with a key of its own": signed(algorithm="ES256", sign=es256),
    "an empty signature": signed(sign=unsigned),
    "an embedded key": token(
        claims(iss="main"), header={"alg": "RS256", "kid": "1", "jwk": published(RSA_KEY)}, sign=rs256
    ),
    "its own address": token(
        claims(iss="main"), header={"alg": "RS256", "kid": "1", "jku": "https://evil.example"}, sign=rs256
    ),
    "another issuer": token(claims(iss="mai"), header={"alg": "RS256", "kid": "1"}, sign=rs256),
    "no end": signed(exp=None),
    "an audience that nobody set": signed(aud="fanz"),
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_is_refused(name: str) -> None:
    known = Site(published(RSA_KEY)).tokens()
    assert await is_believed(known, signed())
    assert not await is_believed(known, FORGED[name])


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"kty": "oct", "kid": "1", "k": b64(b"secret" * 8)}, id="a secret"),
        pytest.param(published(RSA_KEY, use="enc"), id="a key to encrypt with"),
        pytest.param(published(RSA_KEY, alg="RS512"), id="a key of another algorithm"),
        pytest.param(published(EC_KEY), id="a key on a curve"),
        pytest.param(published(ED_KEY), id="an Edwards key"),
        pytest.param(
            published(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505 - that is the point
            id="a short key",
        ),
        pytest.param(
            {**jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True), "kid": "1"}, id="the private key itself"
        ),
        pytest.param({name: value for name, value in published(RSA_KEY).items() if name != "kid"}, id="no name"),
        pytest.param(published(RSA_KEY, kid=7), id="a number as its name"),
        pytest.param({"kty": "RSA", "kid": "1", "n": "!!", "e": "AQAB"}, id="no base64"),
        pytest.param({"kty": "RSA", "kid": "1"}, id="nothing in it"),
        pytest.param([], id="a list"),
        pytest.param(None, id="null"),
    ],
)
async def test_an_entry_that_is_no_key_of_the_algorithm_is_left_out(entry: Any) -> None:
    document = json.dumps({"keys": [entry, published(RSA_KEY, "good")]}).encode()
    assert set(keys_in(document, "RS256")) == {"good"}


def test_an_edwards_or_weierstrass_curve_is_not_another() -> None:
    other = {"keys": [published(ec.generate_private_key(ec.SECP384R1()))]}
    assert keys_in(json.dumps(other).encode(), "ES256") == {}
    assert set(keys_in(json.dumps({"keys": [published(ed25519.Ed25519PrivateKey.generate())]}).encode(), "EdDSA")) == {
        "1"
    }


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_whatever_is_published_is_read_or_refused(document: bytes) -> None:
    with suppress(ValueError):
        assert keys_in(document, "RS256") == {}


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://main.example/jwks", True),
        ("http://127.0.0.1:8080/jwks", True),
        ("http://[::1]/jwks", True),
        ("http://main.example/jwks", False),
        ("http://10.0.0.1/jwks", False),
        ("https://user:password@main.example/jwks", False),
        ("file:///etc/passwd", False),
        ("ftp://127.0.0.1/jwks", False),
        ("https://", False),
        ("", False),
    ],
)
def test_keys_are_read_over_tls_or_from_this_machine(url: str, safe: bool) -> None:
    assert is_published_safely(url) == safe


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"algorithm": "HS256", "jwks": URL}, "is for RS256"),
        ({"algorithm": "RS256", "jwks": "http://main.example/"}, "has to be https"),
        ({"algorithm": "RS256", "jwks": URL, "key": pem(RSA_KEY)}, "either a key or a jwks"),
        ({"algorithm": "RS256"}, "either a key or a jwks"),
    ],
)
def test_an_issuer_that_cannot_be_meant_is_told_at_the_start(wrong: Json, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        IssuerSettings(issuer="main", **wrong)


@contextmanager
def site(answer: bytes, *, status: int = 200, location: str | None = None) -> Iterator[str]:
    """A real HTTP server on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            if location is not None:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/jwks"
        finally:
            server.shutdown()
            serving.join()


async def test_keys_are_read_from_a_real_server() -> None:
    with site(json.dumps({"keys": [published(ED_KEY)]}).encode()) as url:
        known = Tokens([IssuerSettings(issuer="main", algorithm="EdDSA", jwks=url)], leeway_seconds=30)
        assert await is_believed(known, signed(algorithm="EdDSA", sign=eddsa))


async def test_a_redirect_an_error_and_an_endless_document_are_no_keys() -> None:
    with site(b"{}") as elsewhere:
        for answer, status, location in (
            (b"", 302, elsewhere),
            (b"{}", 500, None),
            (b" " * (MOST_BYTES + 1), 200, None),
        ):
            with site(answer, status=status, location=location) as url, pytest.raises((OSError, ValueError)):
                await fetch_keys(url)
