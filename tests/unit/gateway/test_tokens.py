import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from tests.unit.gateway.forging import (
    EC_KEY,
    ED_KEY,
    RSA_KEY,
    SECRET,
    Signing,
    b64,
    claims,
    eddsa,
    es256,
    hs256,
    part,
    pem,
    rs256,
    token,
    unsigned,
)

from fanzgpt_gateway.auth.tokens import Person, TokenRefused, Tokens
from fanzgpt_gateway.auth.trusted import Algorithm, IssuerSettings

NOW = int(time.time())


def issuer(algorithm: Algorithm = "HS256", key: str = SECRET, **more: Any) -> IssuerSettings:
    return IssuerSettings(**{"issuer": None, "algorithm": algorithm, "key": SecretStr(key), **more})


def tokens(*issuers: IssuerSettings) -> Tokens:
    return Tokens(issuers or (issuer(),), leeway_seconds=30)


def person_of(known: Tokens, presented: str) -> Person:
    return asyncio.run(known.person(presented))


RSA = tokens(issuer("RS256", pem(RSA_KEY), issuer="main"))


def test_a_good_token_says_who_its_user_is_and_what_they_may() -> None:
    person = person_of(tokens(), token(claims(subscription="premium", permissions=["ai:use", "post"])))
    assert person == Person(user_id="u-1", permissions=frozenset({"ai:use", "post"}), subscription="premium")


@pytest.mark.parametrize(
    ("algorithm", "key", "sign"),
    [("RS256", pem(RSA_KEY), rs256), ("ES256", pem(EC_KEY), es256), ("EdDSA", pem(ED_KEY), eddsa)],
)
def test_a_token_of_each_algorithm_is_believed_under_its_issuers_key(
    algorithm: Algorithm, key: str, sign: Signing
) -> None:
    known = tokens(issuer(algorithm, key, issuer="main"))
    good = token(claims(iss="main"), header={"alg": algorithm, "typ": "at+jwt"}, sign=sign)
    assert person_of(known, good).user_id == "u-1"


HEADERS: dict[str, tuple[object, Signing]] = {
    "no algorithm, in small letters": ({"alg": "none"}, unsigned),
    "no algorithm, in capitals": ({"alg": "NONE"}, unsigned),
    "no algorithm, in both": ({"alg": "nOnE"}, unsigned),
    "no algorithm, with a signature": ({"alg": "none"}, hs256(SECRET)),
    "no algorithm named": ({"typ": "JWT"}, hs256(SECRET)),
    "another algorithm of the same kind": ({"alg": "HS512"}, hs256(SECRET)),
    "an algorithm that is a number": ({"alg": 256}, hs256(SECRET)),
    "an algorithm that is a list": ({"alg": ["HS256"]}, hs256(SECRET)),
    "an empty signature": ({"alg": "HS256"}, unsigned),
    "another secret": ({"alg": "HS256"}, hs256("another-secret-that-is-long-enough-too")),
    "an embedded key": ({"alg": "HS256", "jwk": {"kty": "oct", "k": b64(SECRET.encode())}}, hs256(SECRET)),
    "a key's address": ({"alg": "HS256", "jku": "https://keys.example/jwks"}, hs256(SECRET)),
    "a certificate's address": ({"alg": "HS256", "x5u": "https://keys.example/x"}, hs256(SECRET)),
    "a certificate": ({"alg": "HS256", "x5c": ["MIIB"]}, hs256(SECRET)),
    "a key id that walks": ({"alg": "HS256", "kid": "../../../../dev/null"}, hs256(SECRET)),
    "a key id that asks the database": ({"alg": "HS256", "kid": "x' UNION SELECT 'secret"}, hs256(SECRET)),
    "a key id that nobody has": ({"alg": "HS256", "kid": "other"}, hs256(SECRET)),
    "a key id that is a number": ({"alg": "HS256", "kid": 7}, hs256(SECRET)),
    "an unknown critical header": ({"alg": "HS256", "crit": ["exp2"], "exp2": 1}, hs256(SECRET)),
    "an empty list of critical headers": ({"alg": "HS256", "crit": []}, hs256(SECRET)),
    "an unencoded payload": ({"alg": "HS256", "b64": False, "crit": ["b64"]}, hs256(SECRET)),
    "another kind": ({"alg": "HS256", "typ": "logout+jwt"}, hs256(SECRET)),
    "a kind that is no text": ({"alg": "HS256", "typ": 1}, hs256(SECRET)),
    "an algorithm that stands twice": ('{"alg":"HS256","alg":"none"}', hs256(SECRET)),
    "a header that is a list": (["HS256"], hs256(SECRET)),
    "a header that is no JSON": ("alg: HS256", hs256(SECRET)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_forged_header_is_refused(name: str) -> None:
    header, sign = HEADERS[name]
    with pytest.raises(TokenRefused):
        person_of(tokens(), token(claims(), header=header, sign=sign))


CLAIMS: dict[str, object] = {
    "no end": claims(exp=None),
    "an end in the past": claims(exp=NOW - 31),
    "an end with a fraction": claims(exp=NOW + 100_000.5),
    "an end in words": claims(exp=str(NOW + 100_000)),
    "an end that is true": claims(exp=True),
    "an end that is no number": json.dumps(claims()).replace(str(claims()["exp"]), "NaN"),
    "an end at infinity": '{"userId":"u-1","permissions":["ai:use"],"exp":1e999}',
    "an end beyond all time": '{"userId":"u-1","permissions":["ai:use"],"exp":1' + "0" * 400 + "}",
    "an end before all time": claims(exp=-1),
    "a beginning in the future": claims(nbf=NOW + 100_000),
    "a beginning in words": claims(nbf="now"),
    "made in the future": claims(iat=NOW + 100_000),
    "made with a fraction": claims(iat=NOW - 0.5),
    "an audience that nobody set": claims(aud="fanz"),
    "an issuer that is a list": claims(iss=["main"]),
    "a subject that is a number": claims(sub=7),
    "no user": claims(userId=None),
    "an empty user": claims(userId=""),
    "a user that is a number": claims(userId=7),
    "a user that is a list": claims(userId=["u-1", "u-2"]),
    "a user that cannot be stored": claims(userId="u\0"),
    "an endless user": claims(userId="u" * 257),
    "a claim that stands twice": f'{{"userId":"u-1","userId":"admin","permissions":["ai:use"],"exp":{NOW + 100_000}}}',
    "claims that are a list": [claims()],
    "claims that are nothing": "null",
    "claims nested without end": "[" * 5_000,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_forged_claims_are_refused(name: str) -> None:
    with pytest.raises(TokenRefused):
        person_of(tokens(), token(CLAIMS[name]))


@pytest.mark.parametrize("algorithm", ["HS256", "hs256"])
def test_a_public_key_is_no_secret(algorithm: str) -> None:
    forged = token(claims(iss="main"), header={"alg": algorithm, "typ": "JWT"}, sign=hs256(pem(RSA_KEY)))
    with pytest.raises(TokenRefused):
        person_of(RSA, forged)


def test_a_token_of_one_issuer_is_not_believed_as_anothers() -> None:
    known = tokens(issuer(), issuer("RS256", pem(RSA_KEY), issuer="main"))
    assert person_of(known, token(claims())).user_id == "u-1"
    assert person_of(known, token(claims(iss="somebody"))).user_id == "u-1", (
        "the unnamed issuer takes what is nobody else's"
    )
    with pytest.raises(TokenRefused):
        person_of(known, token(claims(iss="main")))


@pytest.mark.parametrize("name", ["mai", "main2", "MAIN", "", None])
def test_only_the_whole_name_of_an_issuer_is_its_name(name: str | None) -> None:
    with pytest.raises(TokenRefused):
        person_of(RSA, token(claims(iss=name), header={"alg": "RS256"}, sign=rs256))


@pytest.mark.parametrize("audience", [None, "other", "fan", ["fanz"], ["fanz", "other"], 7])
def test_a_token_for_another_audience_is_refused(audience: object) -> None:
    known = tokens(issuer(audience="fanz"))
    assert person_of(known, token(claims(aud="fanz"))).user_id == "u-1"
    with pytest.raises(TokenRefused):
        person_of(known, token(claims(aud=audience)))


def test_an_issuer_changes_its_key_by_key_id() -> None:
    other = "the-next-secret-of-the-issuer-has-over-32-bytes"
    known = tokens(issuer(issuer="main", kid="1"), issuer(issuer="main", kid="2", key=other))
    for kid, secret in (("1", SECRET), ("2", other)):
        good = token(claims(iss="main"), header={"alg": "HS256", "kid": kid}, sign=hs256(secret))
        assert person_of(known, good).user_id == "u-1"
        with pytest.raises(TokenRefused):
            person_of(known, token(claims(iss="main"), header={"alg": "HS256", "kid": "3"}, sign=hs256(secret)))


def test_clocks_may_differ_by_the_leeway() -> None:
    now = int(time.time())
    assert person_of(tokens(), token(claims(exp=now - 20, nbf=now + 20))).user_id == "u-1"


GOOD = token(claims())


@pytest.mark.parametrize(
    "forged",
    [
        "",
        ".",
        "..",
        "...",
        GOOD + ".",
        "." + GOOD,
        GOOD + "." + GOOD.rsplit(".", 1)[1],
        GOOD.rsplit(".", 1)[0] + ".",
        GOOD.rsplit(".", 1)[0],
        GOOD + "=",
        GOOD.replace(".", " ."),
        "é" + GOOD,
        token(claims(more="x" * 9_000)),
        part({"alg": "HS256"}) + "." + part(claims()) + ".AAAA",
    ],
)
def test_what_is_no_token_is_refused(forged: str) -> None:
    with pytest.raises(TokenRefused):
        person_of(tokens(), forged)


@given(st.integers(0, len(GOOD) - 1), st.sampled_from("ABCDwxyz0189-_.=é\0 "))
def test_no_character_of_a_token_can_be_changed(at: int, to: str) -> None:
    changed = GOOD[:at] + to + GOOD[at + 1 :]
    try:
        person = person_of(tokens(), changed)
    except TokenRefused:
        return
    # The last character of a signature has bits that mean nothing.
    assert changed == GOOD or at == len(GOOD) - 1
    assert person.user_id == "u-1"


@given(st.text() | st.binary().map(b64))
def test_whatever_is_presented_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(TokenRefused):
        person_of(tokens(), text)


@pytest.mark.parametrize(
    ("algorithm", "key", "told"),
    [
        ("HS256", "short", "at least 32 bytes"),
        ("HS256", pem(RSA_KEY), "a secret"),
        ("RS256", "-----BEGIN PRIVATE KEY-----\nAAAA", "a private one"),
        ("RS256", pem(EC_KEY), "no public key of that kind"),
        ("ES256", "nonsense", "no public key of that kind"),
        ("EdDSA", SECRET, "no public key of that kind"),
    ],
)
def test_a_key_that_is_none_is_told_at_the_start(algorithm: Algorithm, key: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        issuer(algorithm, key)
    assert key not in refused.value.errors(include_input=False)[0]["msg"]
