"""CloudEvents 1.0 attributes in Kafka headers: written in binary mode, read from whatever a sender gave."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from fanzgpt_schemas.errors import NotAnEvent, Violation
from fanzgpt_schemas.identity import foreign_event_id, record_event_id

Headers = Sequence[tuple[str, bytes]]

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch"

_ATTRIBUTES: Final = {
    "ce_id": "id",
    "ce_type": "type",
    "ce_source": "source",
    "ce_time": "time",
    "ce_subject": "subject",
    "request_id": "request_id",
    "traceparent": "traceparent",
    "ce_traceparent": "traceparent",
    "attempt": "attempt",
    "content-type": "content_type",
}
_IDENTITY: Final = frozenset({"id", "request_id"})
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
LONGEST_ATTRIBUTE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What travels around an event. `event_id` is always there and a redelivery does not change it.

    Everything else is `None` where the sender gave nothing, or nothing that can be read; `time` is in UTC.
    """

    event_id: UUID
    type: str | None
    source: str | None
    time: datetime | None
    subject: str | None
    request_id: str | None
    traceparent: str | None
    attempt: int | None


def read_headers(headers: Headers) -> dict[str, str]:
    """The attributes by their short names; of a repeated header the last one counts, unknown ones are left alone.

    Raises:
        NotAnEvent: `ce_id` or `request_id` is not text that can be stored; an identity is never guessed at.
    """
    attributes: dict[str, str] = {}
    for header, raw in headers:
        name = _ATTRIBUTES.get(header)
        if name is None or not raw:
            continue
        try:
            attributes[name] = raw.decode()
        except UnicodeDecodeError:
            if name in _IDENTITY:
                raise NotAnEvent((Violation(field=f"header {header}", reason="is not UTF-8 text"),)) from None
    return _nameable(attributes)


def read_structured(event: Mapping[str, object]) -> dict[str, str]:
    """The attributes of a structured-mode event, by the same names; those of another type are left out."""
    attributes = {name: event.get(name) for name in ("id", "type", "source", "time", "subject", "traceparent")}
    return _nameable({name: value for name, value in attributes.items() if isinstance(value, str) and value})


def envelope_of(attributes: Mapping[str, str], *, topic: str, partition: int, offset: int) -> Envelope:
    """The envelope; an event without an id is named after its place in the log."""
    get = attributes.get
    source = get("source")
    given = get("id")
    traceparent = get("traceparent")
    attempt = get("attempt", "")
    return Envelope(
        event_id=foreign_event_id(source or "", given) if given else record_event_id(topic, partition, offset),
        type=_text(get("type")),
        source=_text(source),
        time=_instant(get("time")),
        subject=_text(get("subject")),
        request_id=get("request_id"),
        traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
        attempt=int(attempt) if attempt.isdecimal() and attempt.isascii() and len(attempt) < 10 else None,
    )


def _nameable(attributes: dict[str, str]) -> dict[str, str]:
    for name in _IDENTITY:
        if "\0" in attributes.get(name, ""):
            raise NotAnEvent((Violation(field=name, reason="holds U+0000, which cannot be stored"),))
    return attributes


def _text(value: str | None) -> str | None:
    return None if value is None or len(value) > LONGEST_ATTRIBUTE or "\0" in value else value


def _instant(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None
