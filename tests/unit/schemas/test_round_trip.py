"""What is written is read again, in every mode, and is what was released."""

from base64 import b64encode
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.unit.schemas.generated import events, times

from fanzgpt_schemas.codec import Decoded, Encoded, decode_event, decode_request, encode
from fanzgpt_schemas.events import REQUESTED_SPEC, Event, spec_of
from fanzgpt_schemas.release import event_specs, path_of

PLACE = {"topic": "a-topic", "partition": 3, "offset": 42}
ID = UUID("0197a000-0000-7000-8000-000000000001")
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
RELEASED = {spec: Draft202012Validator(orjson.loads(path_of(spec).read_bytes())) for spec in event_specs()}


def decoded(event: Event, value: bytes, headers: list[tuple[str, bytes]]) -> Decoded[Event]:
    if spec_of(event) == REQUESTED_SPEC:
        return decode_request(value, headers, **PLACE)
    return decode_event(type(event), value, headers, **PLACE)


def encoded(event: Event) -> Encoded:
    return encode(event, event_id=ID, time=NOON, source="here")


@given(event=events, event_id=st.uuids(), time=times, attempt=st.none() | st.integers(0, 999_999_999))
def test_what_is_encoded_is_decoded_with_its_envelope(
    event: Event, event_id: UUID, time: datetime, attempt: int | None
) -> None:
    record = encode(event, event_id=event_id, time=time, source="here", traceparent=TRACE, attempt=attempt)
    result = decoded(event, record.value, list(record.headers))
    assert result.event == event
    envelope = result.envelope
    assert envelope.event_id == event_id
    assert (envelope.type, envelope.source, envelope.time) == (spec_of(event).ce_type, "here", time)
    assert (envelope.traceparent, envelope.attempt) == (TRACE, attempt)
    assert envelope.request_id == getattr(event, "request_id", None)


@given(event=events)
def test_the_same_arguments_give_the_same_bytes_and_all_of_them_are_text(event: Event) -> None:
    record = encoded(event)
    assert record == encoded(event)
    for part in (record.key, record.value, *(value for _, value in record.headers)):
        part.decode()


@given(event=events)
def test_what_is_encoded_is_right_under_the_released_schema(event: Event) -> None:
    RELEASED[spec_of(event)].validate(orjson.loads(encoded(event).value))


@given(event=events)
def test_an_event_is_read_without_any_header(event: Event) -> None:
    assert decoded(event, encoded(event).value, []).event == event


@given(event=events, packed=st.booleans())
def test_an_event_is_read_in_structured_mode(event: Event, packed: bool) -> None:
    record = encoded(event)
    data = {"data_base64": b64encode(record.value).decode()} if packed else {"data": orjson.loads(record.value)}
    wrapper = {"specversion": "1.0", "id": str(ID), "type": spec_of(event).ce_type, "source": "there", **data}
    headers = [("content-type", b"Application/CloudEvents+JSON; charset=utf-8")]
    result = decoded(event, orjson.dumps(wrapper), headers)
    assert result.event == event
    assert (result.envelope.event_id, result.envelope.source) == (ID, "there")


@given(event=events)
def test_fields_of_a_later_release_are_left_alone(event: Event) -> None:
    value = orjson.dumps({**orjson.loads(encoded(event).value), "somethingNew": {"a": 1}})
    assert decoded(event, value, []).event == event


@given(event=events)
def test_null_at_the_top_is_the_same_as_nothing(event: Event) -> None:
    given_fields = orjson.loads(encoded(event).value)
    left_out = {field.alias: None for field in type(event).model_fields.values() if field.alias not in given_fields}
    assert decoded(event, orjson.dumps({**given_fields, **left_out}), []).event == event


@pytest.mark.parametrize("topic", ["ai.generation.requested.priority", "ai.generation.requested.batch"])
def test_a_request_goes_to_the_topic_that_is_named(topic: str) -> None:
    request = decode_request(
        b'{"userId":"u","type":"conversation-starters","input":{}}', [("request_id", b"r")], **PLACE
    ).event
    record = encode(request, event_id=ID, time=NOON, source="here", topic=topic)
    assert record.topic == topic
    assert record.key == b"u"
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": str(ID).encode(),
        "ce_type": b"ai.generation.requested.v1",
        "ce_source": b"here",
        "ce_time": b"2026-11-02T12:00:00+00:00",
        "ce_subject": b"r",
        "content-type": b"application/json",
        "request_id": b"r",
    }
