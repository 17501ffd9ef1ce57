"""Names of what is kept beside the events: uploaded images and spoken answers. Pure: names and signatures, no store.

An upload's `imageUrl` is an address under `.invalid`, a domain that is promised never to exist (RFC 6761): every reader
of the contract takes it for the URL that the field has to be, and nobody can be led anywhere by it.
"""

import hmac
import re
from hashlib import sha256
from typing import Final
from uuid import UUID

UPLOAD_URL: Final = "https://uploads.fanzgpt.invalid/"

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_MAGIC: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)


def digest_of(data: bytes) -> str:
    """What an upload is called: the same bytes have the same name, so that a repeated request is the same request."""
    return sha256(data).hexdigest()


def upload_url(digest: str) -> str:
    """The `imageUrl` of an upload."""
    return UPLOAD_URL + digest


def upload_of(url: str) -> str | None:
    """The upload that an `imageUrl` names; None for every other address."""
    digest = url.removeprefix(UPLOAD_URL)
    return digest if digest != url and _DIGEST.fullmatch(digest) else None


def upload_key(user: UUID, digest: str) -> str:
    """Where a user's upload is in the object store."""
    return f"uploads/{user}/{digest}"


def audio_key(attempt_id: UUID, extension: str) -> str:
    """Where the speech that an attempt made is in the object store."""
    return f"audio/{attempt_id}.{extension}"


def image_type(data: bytes) -> str | None:
    """The type of an image by its first bytes; None for what is no PNG, JPEG, GIF or WebP."""
    return next((kind for magic, kind in _MAGIC if magic.match(data)), None)


def signature(key: str, *, expires: int, secret: bytes) -> str:
    """The signature of a link to a stored object that is valid until `expires`, in seconds since the epoch."""
    return hmac.new(secret, f"fanzgpt-media-1\n{key}\n{expires}".encode(), sha256).hexdigest()


def is_signed(key: str, *, expires: int, secret: bytes, presented: str) -> bool:
    """Whether the link's signature is ours; compared in constant time. Says nothing of its time."""
    return hmac.compare_digest(
        signature(key, expires=expires, secret=secret).encode(), presented.encode("utf-8", "replace")
    )
