"""Names that must come out the same wherever they are computed: users, requests and events.

Everything here is a pure function of its arguments (RFC 9562, version 5), so a republished event is the same event
and a redelivered record is the same request.
"""

import re
from functools import lru_cache
from hashlib import sha1
from typing import Final
from uuid import UUID

USER_NAMESPACE: Final = UUID("6a3a4d1c-0f0e-5a6b-9d55-6b1d5d0c7f01")
REQUEST_NAMESPACE: Final = UUID("6a3a4d1c-0f0e-5a6b-9d55-6b1d5d0c7f02")
EVENT_NAMESPACE: Final = UUID("6a3a4d1c-0f0e-5a6b-9d55-6b1d5d0c7f03")

_CANONICAL_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@lru_cache(maxsize=65_536)
def user_key(user_id: str) -> UUID:
    """The `users.id` of a user: an id in canonical UUID form as it is, anything else a UUIDv5 of the text.

    The mapping never changes: rows written today must be found by every later release.
    """
    return UUID(user_id) if _CANONICAL_UUID.fullmatch(user_id) else _uuid5(USER_NAMESPACE, user_id)


def request_key(user_id: str, request_id: str) -> UUID:
    """The identity of a request: its id within its user.

    Two users may use the same request id without ever meeting; one user's same id is the same request.
    """
    return _uuid5(REQUEST_NAMESPACE, f"{len(user_id)}:{user_id}{request_id}")


def event_id(key: UUID, kind: str) -> UUID:
    """The `ce_id` of the event of this kind (`completed`, `analytics`, ...) about the request `key`."""
    return _uuid5(key, kind)


def foreign_event_id(source: str, ce_id: str) -> UUID:
    """The identity of an event that came with a `ce_id`: a UUID in canonical form as it is, anything else derived.

    CloudEvents promises that an id is unique within its source, and no more: the source is part of the derivation.
    """
    if _CANONICAL_UUID.fullmatch(ce_id):
        return UUID(ce_id)
    return _uuid5(EVENT_NAMESPACE, f"{len(source)}:{source}{ce_id}")


def derived_request_id(topic: str, partition: int, offset: int) -> str:
    """The id of a request that came without one: its place in the log, which a redelivery does not change."""
    return f"{topic}/{partition}/{offset}"


def record_event_id(topic: str, partition: int, offset: int) -> UUID:
    """The id of an event that came without one, from its place in the log."""
    return _uuid5(REQUEST_NAMESPACE, f"record:{topic}/{partition}/{offset}")


def _uuid5(namespace: UUID, name: str) -> UUID:
    """`uuid.uuid5` in two thirds of its time."""
    return UUID(bytes=sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest()[:16], version=5)
