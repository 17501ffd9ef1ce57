import asyncio

import pytest
from pydantic import SecretStr
from tests.unit.gateway.forging import SECRET, claims, hs256, token
from tests.unit.gateway.test_tokens import CLAIMS, HEADERS

from fanzgpt_gateway.auth.callers import Authenticator, Service, User
from fanzgpt_gateway.auth.keyring import ApiKeyHash, KeyRing, hashed_keys
from fanzgpt_gateway.auth.tokens import Tokens
from fanzgpt_gateway.auth.trusted import IssuerSettings
from fanzgpt_gateway.refusals import BadToken, InvalidRequest, NoPermission, NoToken, Refusal

KEYS = KeyRing(
    [ApiKeyHash.of("boyfanz", "key-one"), ApiKeyHash.of("boyfanz", "key-two"), ApiKeyHash.of("main", "key-3")]
)
ISSUER = IssuerSettings(issuer=None, algorithm="HS256", key=SecretStr(SECRET))
DOOR = Authenticator(KEYS, Tokens([ISSUER], leeway_seconds=0))


def caller(authorization: str | None, door: Authenticator = DOOR) -> Service | User:
    return asyncio.run(door.caller(authorization))


def refusal(authorization: str | None) -> dict[str, object]:
    with pytest.raises(Refusal) as refused:
        caller(authorization)
    return {"status": refused.value.status, **refused.value.body()}


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic a2V5", "key-one"])
def test_without_a_token_the_contracts_words_are_said(authorization: str | None) -> None:
    expected = {"status": 401, "error": "Authentication required", "message": "No token provided"}
    assert refusal(authorization) == expected


@pytest.mark.parametrize("presented", ["key-on", "key-one2", "KEY-ONE", "kéy", "\udce9", "a.b.c", "x" * 100_000])
def test_a_bad_token_is_answered_in_the_contracts_words(presented: str) -> None:
    expected = {"status": 401, "error": "Invalid token", "message": "Authentication failed"}
    assert refusal(f"Bearer {presented}") == expected


@pytest.mark.parametrize("name", [*HEADERS, *CLAIMS])
def test_every_forged_token_is_answered_in_the_same_words(name: str) -> None:
    header, sign = HEADERS.get(name, ({"alg": "HS256", "typ": "JWT"}, hs256(SECRET)))
    forged = token(CLAIMS.get(name, claims()), header=header, sign=sign)
    expected = {"status": 401, "error": "Invalid token", "message": "Authentication failed"}
    assert refusal(f"Bearer {forged}") == expected


@pytest.mark.parametrize("permissions", [None, [], ["ai:used"], "ai:use", {"ai:use": True}, [["ai:use"]]])
def test_without_the_permission_the_contracts_words_are_said(permissions: object) -> None:
    expected = {
        "status": 403,
        "error": "Insufficient permissions",
        "message": "AI features not enabled for this user",
    }
    assert refusal(f"Bearer {token(claims(permissions=permissions))}") == expected


@pytest.mark.parametrize(("key", "name"), [("key-one", "boyfanz"), ("key-two", "boyfanz"), ("key-3", "main")])
def test_a_service_is_known_by_any_of_its_keys(key: str, name: str) -> None:
    assert caller(f"Bearer {key}") == caller(f"bearer  {key} ") == Service(name=name)


@pytest.mark.parametrize(
    ("subscription", "premium"), [("premium", True), ("Premium", False), ("basic", False), (1, False)]
)
def test_a_person_is_known_by_their_token(subscription: object, premium: bool) -> None:
    good = token(claims(subscription=subscription))
    assert caller(f"Bearer {good}") == User(user_id="u-1", premium=premium)


def test_a_service_acts_for_whom_it_names_and_else_for_itself() -> None:
    service = Service(name="main")
    assert service.acts_for("u-7", required=True) == "u-7"
    assert service.acts_for(None, required=False) == "service:main"
    with pytest.raises(InvalidRequest, match="userId"):
        service.acts_for(None, required=True)


def test_a_person_acts_for_nobody_else() -> None:
    person = User(user_id="u-1", premium=False)
    assert person.acts_for(None, required=True) == person.acts_for("u-1", required=False) == "u-1"
    with pytest.raises(Refusal) as refused:
        person.acts_for("u-2", required=False)
    assert refused.value.status == 403


def test_an_empty_ring_opens_to_nothing() -> None:
    assert KeyRing([]).owner("") is None


def test_keys_are_configured_by_name_and_hash() -> None:
    hashed = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
    keys = hashed_keys(f" a={hashed}, b={hashed.upper()} ,")
    assert isinstance(keys, tuple)
    assert [(key.name, KeyRing([key]).owner("password")) for key in keys] == [("a", "a"), ("b", "b")]
    with pytest.raises(ValueError, match="name=hash"):
        hashed_keys("a=plain-key")


def test_no_refusal_is_told_apart_by_its_class_alone() -> None:
    assert {one().status for one in (NoToken, BadToken, NoPermission)} == {401, 403}
