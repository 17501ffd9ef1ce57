"""From a record's bytes to the JSON object that is the event, whichever of three ways it was sent."""

from binascii import Error as NotBase64
from binascii import a2b_base64

import orjson

from fanzgpt_schemas.base import JsonObject
from fanzgpt_schemas.envelope import BATCHED, STRUCTURED, Headers, read_headers, read_structured
from fanzgpt_schemas.errors import ContractError, NotAnEvent, NotJson, Violation
from fanzgpt_schemas.events import VALUE_LIMITS, EventSpec
from fanzgpt_schemas.storable import look_through, refuse_unstorable
from fanzgpt_schemas.violations import shown
from fanzgpt_schemas.writing import too_long

_KINDS = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}


def read(value: bytes | None, headers: Headers, spec: EventSpec) -> tuple[JsonObject, dict[str, str]]:
    """The event's object, safe to store and to write again, and the CloudEvents attributes by their short names.

    Raises:
        ContractError: there is no such object, it is too long or unstorable, or `ce_type` names a version of the event
            that is not `spec`'s.
    """
    limit = VALUE_LIMITS[spec.topic]
    if value is not None and len(value) > limit:
        raise too_long(len(value), limit)
    attributes = read_headers(headers)
    body, text = _body(value, attributes)
    given = attributes.get("type", spec.ce_type)
    if given != spec.ce_type and given.startswith(f"{spec.name}.v"):
        reason = f"{shown(given)} is a version that is not read here; {spec.ce_type} is"
        raise NotAnEvent((Violation(field="ce_type", reason=reason),))
    refuse_unstorable(text, body)
    return body, attributes


def read_what_can_be(value: bytes | None, headers: Headers) -> tuple[JsonObject, dict[str, str]]:
    """The same for a record that is known to be wrong: whatever cannot be read is left out; strings are unchecked."""
    try:
        attributes = read_headers(headers)
    except ContractError:
        attributes = {}
    try:
        body, _ = _body(value, attributes)
    except ContractError:
        return {}, attributes
    return body, attributes


def storable_text(given: object, longest: int) -> str | None:
    """The text, if it is one that could stand in an event."""
    return given if isinstance(given, str) and 0 < len(given) <= longest and "\0" not in given else None


def storable_object(given: object) -> JsonObject:
    """The object, if it is one that could stand in an event; else an empty one."""
    if not isinstance(given, dict):
        return {}
    try:
        look_through(given)
    except ContractError:
        return {}
    return given


def _body(value: bytes | None, attributes: dict[str, str]) -> tuple[JsonObject, bytes]:
    """The event's object and the text it was read from; structured mode adds its attributes to those of the headers."""
    if not value:
        raise NotJson((Violation(field="(value)", reason="is empty"),))
    content_type = attributes.get("content_type", "").lower()
    if content_type.startswith(BATCHED):
        raise NotAnEvent((Violation(field="content-type", reason="one record holds one event, never a batch"),))
    if not content_type.startswith(STRUCTURED):
        return _object(value, "(value)"), value
    wrapper = _object(value, "(value)")
    attributes.update(read_structured(wrapper))
    packed = wrapper.get("data_base64")
    if packed is None:
        data = wrapper.get("data")
        return _object_of(data, "data"), value
    try:
        text = a2b_base64(packed.encode("ascii"), strict_mode=True) if isinstance(packed, str) else b""
    except (NotBase64, UnicodeEncodeError):
        raise NotJson((Violation(field="data_base64", reason="is not base64"),)) from None
    return _object(text, "data_base64"), text


def _object(text: bytes, field: str) -> JsonObject:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotJson((Violation(field=field, reason=f"is not JSON in UTF-8: {shown(error.msg)}"),)) from None
    return _object_of(data, field)


def _object_of(data: object, field: str) -> JsonObject:
    if not isinstance(data, dict):
        raise NotAnEvent((Violation(field=field, reason=f"is {_KINDS[type(data)]}; an event is a JSON object"),))
    if None in data.values():
        # Many writers send null for what they were not given; at the top level it means nothing else.
        return {name: each for name, each in data.items() if each is not None}
    return data
