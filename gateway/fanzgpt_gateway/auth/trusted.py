"""Whose tokens are believed: for each issuer one algorithm and one key, fixed before any token is seen."""

from typing import Annotated, Final, Literal, Self

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, model_validator

from fanzgpt_gateway.auth.jwks import RSA_BITS, is_published_safely

Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]

SECRET_BYTES: Final = 32


class IssuerSettings(BaseModel):
    """An issuer as it is configured. `key` is a secret for HS256 and a public key in PEM for the others.

    In place of `key`, `jwks` is the address where the issuer publishes its keys. The same issuer may stand here several
    times with different `kid`: its keys, while it changes them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: Annotated[str, Field(min_length=1, max_length=1_000)] | None
    algorithm: Algorithm
    key: SecretStr | None = None
    jwks: Annotated[str, Field(max_length=2_000)] | None = None
    audience: Annotated[str, Field(min_length=1, max_length=1_000)] | None = None
    kid: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _usable(self) -> Self:
        """A key that is weak, or is no key of its algorithm, is better known at the start than at the first token."""
        if (self.key is None) == (self.jwks is None):
            raise ValueError("an issuer has either a key or a jwks address")
        if self.key is None:
            return self._published()
        key = self.key.get_secret_value()
        if self.algorithm == "HS256":
            if len(key.encode()) < SECRET_BYTES or "-----BEGIN" in key:
                raise ValueError(f"the key of an HS256 issuer is a secret of at least {SECRET_BYTES} bytes")
            return self
        if "PRIVATE KEY" in key:
            raise ValueError(f"the key of the {self.algorithm} issuer is a private one: here belongs the public key")
        try:
            prepared = jwt.get_algorithm_by_name(self.algorithm).prepare_key(key)
        except Exception:  # noqa: BLE001 - whatever the parser says may quote the key
            raise ValueError(f"the key of the {self.algorithm} issuer is no public key of that kind in PEM") from None
        if isinstance(prepared, RSAPublicKey) and prepared.key_size < RSA_BITS:
            raise ValueError(f"the key of the {self.algorithm} issuer is shorter than {RSA_BITS} bits")
        return self

    def _published(self) -> Self:
        if self.algorithm == "HS256" or self.kid is not None:
            raise ValueError("a jwks address is for RS256, ES256 and EdDSA, and names its keys by itself")
        if not is_published_safely(self.jwks or ""):
            raise ValueError("the jwks address has to be https, or on this machine, and hold no password")
        return self


_LIST: Final = TypeAdapter(list[IssuerSettings])


def issuers_of(value: object) -> object:
    """The issuers of a JSON text; raises ValueError where it is none."""
    if not isinstance(value, str):
        return value
    try:
        given = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg}") from None
    return tuple(_LIST.validate_python(given))
