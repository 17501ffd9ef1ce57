"""The services' keys: only their hashes are kept, and comparing takes the same time whatever is presented."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

_ENTRY: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,64})=(?P<hash>[0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyHash:
    """A key by its name and SHA-256. A key is random and long, so it needs no slow hash."""

    name: str
    digest: bytes

    @classmethod
    def of(cls, name: str, key: str) -> "ApiKeyHash":
        """The hash of a key."""
        return cls(name=name, digest=_digest(key))


class KeyRing:
    """Several keys at once, so that each service has its own and a key is replaced without a gap."""

    def __init__(self, keys: Sequence[ApiKeyHash]) -> None:
        """Names may repeat: two keys of one service, while it changes from one to the other."""
        self._keys = tuple(keys)

    def owner(self, presented: str) -> str | None:
        """The name of the key that was presented; None where it is none. Every key is compared, found or not."""
        digest = _digest(presented)
        owner = None
        for key in self._keys:
            if compare_digest(key.digest, digest):
                owner = key.name
        return owner


def hashed_keys(value: object) -> object:
    """`name=hash,name=hash` as keys; raises ValueError with what an entry looks like."""
    if not isinstance(value, str):
        return value
    keys = []
    for entry in filter(None, (part.strip() for part in value.split(","))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError("each entry is name=hash, the hash being SHA-256 in hex: printf %s KEY | sha256sum")
        keys.append(ApiKeyHash(name=match["name"], digest=bytes.fromhex(match["hash"])))
    return tuple(keys)


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
