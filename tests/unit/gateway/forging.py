"""Tokens made by hand, so that a forger's can be made too."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

SECRET = "the-secret-of-the-issuer-has-over-32-bytes"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()

Signing = Callable[[bytes], bytes]


def pem(key: Any) -> str:
    """A public key as it is published."""
    return str(
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def hs256(secret: str) -> Signing:
    return lambda data: hmac.new(secret.encode(), data, hashlib.sha256).digest()


def rs256(data: bytes) -> bytes:
    return RSA_KEY.sign(data, padding.PKCS1v15(), hashes.SHA256())


def es256(data: bytes) -> bytes:
    r, s = utils.decode_dss_signature(EC_KEY.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def eddsa(data: bytes) -> bytes:
    return ED_KEY.sign(data)


def unsigned(_data: bytes) -> bytes:
    return b""


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token, changed; None takes a claim out."""
    good = {"userId": "u-1", "role": "creator", "permissions": ["ai:use"], "exp": int(time.time()) + 86_400}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(payload: object, *, header: object = None, sign: Signing = hs256(SECRET)) -> str:  # noqa: B008 - pure
    """A token with this header and payload, each an object or the very text."""
    parts = [part({"alg": "HS256", "typ": "JWT"} if header is None else header), part(payload)]
    return ".".join([*parts, b64(sign(".".join(parts).encode()))])


def part(value: object) -> str:
    return b64(value.encode() if isinstance(value, str) else json.dumps(value).encode())


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
