"""Events to Kafka records and back.

Written: CloudEvents 1.0, binary mode: the value is the event's JSON alone, the attributes are headers, the key is the
user. Read: that, plain JSON without any header, and structured mode. Reading is tolerant of fields it does not know;
writing is strict. Whatever the bytes and headers are, nothing but a ContractError is raised.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar
from uuid import UUID

from pydantic import ValidationError

from fanzgpt_schemas.base import JsonObject, Model
from fanzgpt_schemas.envelope import Envelope, Headers, envelope_of
from fanzgpt_schemas.errors import NotAnEvent, Violation
from fanzgpt_schemas.events import REQUESTED_SPEC, SPECS, VALUE_LIMITS, Event, TopicName, spec_of
from fanzgpt_schemas.facts import DeadLetter
from fanzgpt_schemas.generation import GenerationCompleted
from fanzgpt_schemas.identity import derived_request_id
from fanzgpt_schemas.reading import read, read_what_can_be, storable_object, storable_text
from fanzgpt_schemas.requesting import new_request, unknown_type
from fanzgpt_schemas.requests import GENERATION_TYPES, REQUESTED, GenerationRequested
from fanzgpt_schemas.usage import UsageAnomaly, UsageWindow
from fanzgpt_schemas.violations import violations
from fanzgpt_schemas.writing import written

__all__ = [
    "Decoded",
    "Encoded",
    "Envelope",
    "Headers",
    "ReadableIdentity",
    "decode_event",
    "decode_request",
    "encode",
    "new_request",
    "readable_identity",
]

E = TypeVar("E")
M = TypeVar("M", bound=Model)

LONGEST_REQUEST_ID: Final = 128
LONGEST_USER_ID: Final = 256
LONGEST_TYPE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A record ready to be sent. Key, value and header values are UTF-8."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Decoded(Generic[E]):
    """An event and what travelled around it."""

    event: E
    envelope: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableIdentity:
    """What can be read of a request that breaks the contract: enough to tell its sender so.

    Everything in it can be written: `input` is empty where what was sent could not be stored.
    """

    request_id: str
    user_id: str
    type: str
    input: JsonObject


def encode(
    event: Event,
    *,
    event_id: UUID,
    time: datetime,
    source: str,
    topic: TopicName | None = None,
    traceparent: str | None = None,
    attempt: int | None = None,
) -> Encoded:
    """The record of an event, on its own topic unless another is named. The same arguments give the same bytes.

    Raises:
        ContractError: the event holds what the contract does not know or what cannot be stored, or is too long for its
            topic; `time` has no offset; a header is not text.
    """
    spec = spec_of(event)
    place = topic or spec.topic
    value = written(event, place)
    if time.tzinfo is None:
        raise NotAnEvent((Violation(field="time", reason="needs an offset from UTC"),))
    request_id: str | None = getattr(event, "request_id", None)
    key, subject = _key_and_subject(event, request_id)
    try:
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(event_id).encode()),
            ("ce_type", spec.ce_type.encode()),
            ("ce_source", source.encode()),
            ("ce_time", time.isoformat().encode()),
            ("ce_subject", subject.encode()),
            ("content-type", b"application/json"),
        ]
        if request_id is not None:
            headers.append(("request_id", request_id.encode()))
        if traceparent is not None:
            headers.append(("traceparent", traceparent.encode()))
        if attempt is not None:
            headers.append(("attempt", str(attempt).encode()))
    except UnicodeEncodeError:
        raise NotAnEvent((Violation(field="headers", reason="hold a lone surrogate, which is not text"),)) from None
    return Encoded(topic=place, key=key, value=value, headers=tuple(headers))


def decode_request(
    value: bytes | None, headers: Headers, *, topic: str, partition: int, offset: int
) -> Decoded[GenerationRequested]:
    """The request that a record holds.

    A request without an id is named after `ce_id`, else the `request_id` header, else its place in the log, so that a
    redelivery is the same request. Of a repeated key the last one counts, as for most readers of JSON.

    Raises:
        NotJson: the value is no JSON text that can be read, stored and written again.
        UnknownType: `type` names no generation type; the error lists those that exist.
        NotAnEvent: fields are missing or wrong, each named with its reason.
    """
    body, attributes = read(value, headers, REQUESTED_SPEC)
    if "requestId" not in body:
        named = attributes.get("id") or attributes.get("request_id")
        body["requestId"] = named or derived_request_id(topic, partition, offset)
    try:
        event = REQUESTED.validate_python(body, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _refused_request(error, body) from None
    return Decoded(event, envelope_of(attributes, topic=topic, partition=partition, offset=offset))


def decode_event(
    model: type[M], value: bytes | None, headers: Headers, *, topic: str, partition: int, offset: int
) -> Decoded[M]:
    """The event of the class `model` that a record holds.

    An event without `requestId` is given that of the `request_id` header; a completion, which other services publish
    too, may also go without: it is then named after `ce_id`, else its place in the log.

    Raises:
        NotJson: the value is no JSON text that can be read, stored and written again.
        NotAnEvent: fields are missing or wrong, each named with its reason, or `ce_type` names another version.
    """
    body, attributes = read(value, headers, SPECS.get(model, REQUESTED_SPEC))
    if "request_id" in model.model_fields and "requestId" not in body:
        named = attributes.get("request_id")
        if named is None and model is GenerationCompleted:
            named = attributes.get("id") or derived_request_id(topic, partition, offset)
        if named is not None:
            body["requestId"] = named
    try:
        event = model.model_validate(body, by_alias=True, by_name=False)
    except ValidationError as error:
        raise NotAnEvent(violations(error, body)) from None
    return Decoded(event, envelope_of(attributes, topic=topic, partition=partition, offset=offset))


def readable_identity(
    value: bytes | None, headers: Headers, *, topic: str, partition: int, offset: int
) -> ReadableIdentity | None:
    """What can be read of a request that `decode_request` refused; None when not even its user can.

    The request id is the first usable one of those that `decode_request` would have looked at.
    """
    body, attributes = read_what_can_be(value, headers)
    user_id = storable_text(body.get("userId"), LONGEST_USER_ID)
    if user_id is None:
        return None
    names = (body.get("requestId"), attributes.get("id"), attributes.get("request_id"))
    usable = (storable_text(name, LONGEST_REQUEST_ID) for name in names)
    fits = value is not None and len(value) <= VALUE_LIMITS[REQUESTED_SPEC.topic]
    return ReadableIdentity(
        request_id=next((name for name in usable if name), derived_request_id(topic, partition, offset)),
        user_id=user_id,
        type=storable_text(body.get("type"), LONGEST_TYPE) or "unknown",
        input=storable_object(body.get("input")) if fits else {},
    )


def _refused_request(error: ValidationError, body: JsonObject) -> NotAnEvent:
    kind = error.errors(include_url=False, include_context=False, include_input=False)[0]["type"]
    if kind == "union_tag_invalid":
        return unknown_type(body.get("type"))
    if kind == "union_tag_not_found":
        reason = f"Field required: one of {', '.join(GENERATION_TYPES)}"
        return NotAnEvent((Violation(field="type", reason=reason),))
    return NotAnEvent(violations(error, body))


def _key_and_subject(event: Event, request_id: str | None) -> tuple[bytes, str]:
    if isinstance(event, DeadLetter):
        place = f"{event.topic}/{event.partition}/{event.offset}"
        return place.encode(), place
    if isinstance(event, UsageWindow | UsageAnomaly):
        subject = f"{event.dimension}:{event.key}"
        return subject.encode(), subject
    return event.user_id.encode(), request_id or event.user_id
