"""A dead letter as it was read: the record that is in it, and which letter it is."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fanzgpt_schemas.errors import NotAnEvent, Violation
from fanzgpt_schemas.events import BATCH_TOPIC, PRIORITY_TOPIC, REQUESTED_TOPIC
from fanzgpt_schemas.facts import DeadLetter
from fanzgpt_schemas.identity import derived_request_id
from fanzgpt_schemas.reading import read_what_can_be
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.decoding import event_of
from fanzgpt_workers.records import Record

REQUEST_TOPICS: Final = frozenset({REQUESTED_TOPIC, PRIORITY_TOPIC, BATCH_TOPIC})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter. `place` is its own on the dead-letter topic, `origin` that of the record in it.

    `letter_id` is the same wherever the same record was set aside by the same consumer, so two copies are one letter.
    `value_bytes` is how long the value was; where `whole` is False, less than that is in `value`. `request_id` is that
    of the request which the record is about, as far as it says so; a request without an id has its place's.
    """

    place: Origin
    letter_id: UUID
    origin: Origin
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value_bytes: int
    whole: bool
    reason: str
    error: str
    attempts: int
    time: datetime
    consumer: str | None
    request_id: str | None

    @property
    def name(self) -> str:
        """How people call it: `partition/offset` on the dead-letter topic."""
        return f"{self.place.partition}/{self.place.offset}"

    def names(self, request_id: str) -> bool:
        """Whether the record is about that request, or speaks of it anywhere in its value."""
        return self.request_id == request_id or request_id.encode() in (self.value or b"")


def letter_in(record: Record) -> Letter:
    """The letter that a record of the dead-letter topic is; raises ContractError where it is none."""
    place = record.origin
    decoded = event_of(DeadLetter, record)
    event = decoded.event
    origin, value = Origin(event.topic, event.partition, event.offset), _bytes(event.value, "value")
    headers = tuple((name, _bytes(given, "headers") or b"") for name, given in event.headers)
    return Letter(
        place=place,
        letter_id=decoded.envelope.event_id,
        origin=origin,
        key=_bytes(event.key, "key"),
        value=value,
        headers=headers,
        value_bytes=len(value or b"") if event.value_bytes is None else event.value_bytes,
        whole=event.value_bytes is None,
        reason=event.reason,
        error=event.error,
        attempts=event.attempts,
        time=event.time,
        consumer=event.consumer,
        request_id=_request_of(origin, value, headers),
    )


def _request_of(origin: Origin, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> str | None:
    body, attributes = read_what_can_be(value, headers)
    given, header = body.get("requestId"), attributes.get("request_id")
    if isinstance(given, str) and given:
        return given
    if origin.topic not in REQUEST_TOPICS:
        return header
    return attributes.get("id") or header or derived_request_id(origin.topic, origin.partition, origin.offset)


def _bytes(text: str | None, field: str) -> bytes | None:
    try:
        return None if text is None else b64decode(text, validate=True)
    except (NotBase64, ValueError) as error:
        raise NotAnEvent((Violation(field=field, reason="is not base64"),)) from error
