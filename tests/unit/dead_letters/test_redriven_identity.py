"""A record that is sent again from its dead letter is the same event, wherever it lands."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_schemas.codec import decode_event, decode_request, encode
from fanzgpt_schemas.errors import ContractError
from fanzgpt_schemas.events import ANALYTICS_TOPIC, BATCH_TOPIC, COMPLETED_TOPIC, PREFERENCES_TOPIC, REQUESTED_TOPIC
from fanzgpt_schemas.facts import AnalyticsEvent, PreferencesUpdated
from fanzgpt_schemas.generation import GenerationCompleted
from fanzgpt_schemas.identity import event_id, record_event_id
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.dead_letters.letter import Letter, letter_in
from fanzgpt_workers.dead_letters.redriving import REDRIVEN_FROM, NotRedriven, headers_again, refuse_in_part
from fanzgpt_workers.publishing.letters import letter_about
from fanzgpt_workers.records import Record

AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
FIRST, SECOND, THIRD = 7, 4_711, 99_999
BODIES: dict[str, dict[str, object]] = {
    REQUESTED_TOPIC: {"userId": "u", "type": "social-post", "input": {"topic": "gym", "platform": "x"}},
    BATCH_TOPIC: {"userId": "u", "type": "social-post", "input": {"topic": "gym", "platform": "x"}},
    COMPLETED_TOPIC: {"userId": "u", "type": "social-post", "input": {}, "output": {"post": "Up."}},
    ANALYTICS_TOPIC: {"userId": "u", "event": "seen", "data": {}},
    PREFERENCES_TOPIC: {"userId": "u", "preferences": {"tone": "warm"}},
}
MODELS: dict[str, Any] = {
    COMPLETED_TOPIC: GenerationCompleted,
    ANALYTICS_TOPIC: AnalyticsEvent,
    PREFERENCES_TOPIC: PreferencesUpdated,
}


def set_aside(record: Record, *, room: int = 4_000_000) -> Letter:
    """The letter about a record, as it is read from the dead-letter topic."""
    told = letter_about(record, reason="unstorable", error="e", attempts=1, consumer="g", time=AT, room=room)
    identity = event_id(record_event_id(record.origin.topic, record.origin.partition, record.origin.offset), "dead:g")
    event = encode(told, event_id=identity, time=AT, source="test")
    return letter_in(Record(Origin(event.topic, 0, 12), 0, event.key, event.value, event.headers))


def again(record: Record, offset: int) -> Record:
    """The record as it stands once its letter was redriven."""
    letter = set_aside(record)
    return Record(Origin(record.origin.topic, 0, offset), 1, letter.key, letter.value, headers_again(letter))


def identity(record: Record) -> tuple[object, ...]:
    """Everything that the rest of the system knows the event by."""
    origin = record.origin
    place = {"topic": origin.topic, "partition": origin.partition, "offset": origin.offset}
    if origin.topic in MODELS:
        decoded = decode_event(MODELS[origin.topic], record.value, record.headers, **place)
        return decoded.event, decoded.envelope.event_id, decoded.envelope.source
    return decode_request(record.value, record.headers, **place).event, None, None


HEADERS = st.dictionaries(
    st.sampled_from(["ce_id", "ce_source", "request_id", "other"]), st.sampled_from([b"", b"mine", b"\xc3\xa9"])
).map(lambda found: tuple(found.items()))


@given(st.sampled_from(sorted(BODIES)), HEADERS, st.booleans(), st.booleans())
def test_a_redriven_record_is_known_by_the_same_names_however_often(
    topic: str, headers: tuple[tuple[str, bytes], ...], names_itself: bool, structured: bool
) -> None:
    body = BODIES[topic] | ({"requestId": "r-1"} if names_itself else {})
    if structured:
        body = {"specversion": "1.0", "id": "s-1", "source": "s", "type": f"{_event_of(topic)}.v1", "data": body}
        headers = (*headers, ("content-type", b"application/cloudevents+json"))
    first = Record(Origin(topic, 3, FIRST), 0, None, json.dumps(body).encode(), headers)
    second = again(first, SECOND)
    third = again(second, THIRD)
    assert identity(first) == identity(second) == identity(third)
    assert [value for name, value in third.headers if name == REDRIVEN_FROM] == [b"ai.dead-letter/0/12"]
    assert tuple(third.headers)[: len(headers)] == headers


def test_what_was_stated_without_a_time_is_stated_at_the_same_time_however_often() -> None:
    first = Record(Origin(PREFERENCES_TOPIC, 0, FIRST), 5, b"u", json.dumps(BODIES[PREFERENCES_TOPIC]).encode(), ())
    times = [
        value
        for record in (again(first, SECOND), again(again(first, SECOND), THIRD))
        for name, value in record.headers
        if name == "ce_time"
    ]
    assert times == [b"2026-12-01T12:00:00+00:00"] * 2


def test_half_a_record_is_not_sent_again() -> None:
    record = Record(Origin(REQUESTED_TOPIC, 0, FIRST), 0, b"u", b"x" * 100_000, ())
    with pytest.raises(NotRedriven, match=r"of 100,000 bytes: ask its sender"):
        refuse_in_part(set_aside(record, room=20_000))


@pytest.mark.parametrize("value", [b"", b"text", b"{}", b'{"topic": "t"}'])
def test_what_is_no_letter_is_told_from_one(value: bytes) -> None:
    with pytest.raises(ContractError):
        letter_in(Record(Origin("ai.dead-letter", 0, 1), 0, None, value, ()))


def _event_of(topic: str) -> str:
    return REQUESTED_TOPIC if topic.startswith(REQUESTED_TOPIC) else topic
