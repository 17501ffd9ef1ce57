"""The mark in every answer, which proves that the emulator wrote it, and for which call.

`emu-` and 18 hexadecimal digits: 12 name the request and the attempt, 6 vouch for the 12. A text can so be checked
alone, and against the call that it claims to answer. It is a guard against mistakes, not against a forger.
"""

import re
from hashlib import blake2b
from typing import Final

SIGNATURE_CHARACTERS: Final = 22

_KEY: Final = b"fanzgpt emulator"
_SIGNATURE: Final = re.compile(r"emu-([0-9a-f]{12})([0-9a-f]{6})")


def signature_of(request_id: str, attempt_id: str) -> str:
    """The signature of the answer to this attempt of this request."""
    named = f"{len(request_id)}:{request_id}{attempt_id}".encode("utf-8", "surrogatepass")
    digits = blake2b(named, digest_size=6, key=_KEY).hexdigest()
    return f"emu-{digits}{_vouch(digits)}"


def signatures_in(text: str) -> list[str]:
    """The genuine signatures in a text, in order."""
    return [found[0] for found in _SIGNATURE.finditer(text) if _vouch(found[1]) == found[2]]


def _vouch(digits: str) -> str:
    return blake2b(digits.encode(), digest_size=3, key=_KEY).hexdigest()
