"""Whatever the bytes and headers are: an event, or a ContractError that a person can act on."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.schemas.generated import events

from fanzgpt_schemas.codec import decode_event, decode_request, encode, readable_identity
from fanzgpt_schemas.errors import ContractError
from fanzgpt_schemas.events import SPECS
from fanzgpt_schemas.generation import GenerationFailed
from fanzgpt_schemas.requests import GENERATION_TYPES

PLACE = {"topic": "ai.generation.requested", "partition": 3, "offset": 42}
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
ID = UUID(int=1)
LONGEST_ERROR = 20 * 500

KNOWN_HEADERS = [
    "ce_id",
    "ce_type",
    "ce_source",
    "ce_time",
    "ce_subject",
    "request_id",
    "traceparent",
    "attempt",
    "content-type",
]
headers = st.lists(
    st.tuples(
        st.sampled_from(KNOWN_HEADERS) | st.text(max_size=5),
        st.none()
        | st.binary(max_size=30)
        | st.sampled_from(
            [b"application/cloudevents+json", b"application/cloudevents-batch+json", b"2026-13-45", b"9" * 40]
        ),
    ),
    max_size=6,
)
json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
field_names = st.sampled_from(
    [
        "requestId",
        "userId",
        "type",
        "input",
        "options",
        "deadline",
        "metadata",
        "output",
        "event",
        "data",
        "data_base64",
        "topic",
        "platform",
        "history",
    ]
)
near_misses = st.dictionaries(field_names, json_texts | st.sampled_from(GENERATION_TYPES), max_size=9)


def read_everything(value: bytes | None, given_headers: list[tuple[str, bytes]]) -> list[str]:
    """Every way of reading; the texts of the errors."""
    refusals: list[ContractError] = []
    readers: list[Callable[[], object]] = [lambda: decode_request(value, given_headers, **PLACE)]
    readers += [partial(decode_event, model, value, given_headers, **PLACE) for model in SPECS]
    for read in readers:
        try:
            read()
        except ContractError as error:
            refusals.append(error)
    assert all(refusal.violations for refusal in refusals)
    assert all(each.field and each.reason for refusal in refusals for each in refusal.violations)
    told = [str(refusal) for refusal in refusals]
    identity = readable_identity(value, given_headers, **PLACE)
    if identity is not None:
        refusal = GenerationFailed(
            request_id=identity.request_id,
            user_id=identity.user_id,
            type=identity.type,
            input=identity.input,
            reason="invalid",
            retryable=False,
            detail="; ".join(told),
        )
        encode(refusal, event_id=ID, time=NOON, source="here")
    assert all(len(text) < LONGEST_ERROR and text.isprintable() for text in told), told
    return told


@given(value=st.binary(max_size=200), given_headers=headers)
def test_random_bytes(value: bytes, given_headers: list[tuple[str, bytes]]) -> None:
    read_everything(value, given_headers)


@given(value=json_texts | near_misses, given_headers=headers)
def test_random_json(value: object, given_headers: list[tuple[str, bytes]]) -> None:
    # Not orjson: the standard library writes NaN, lone surrogates and endless integers.
    read_everything(json.dumps(value).encode(), given_headers)


@given(event=events, at=st.integers(0, 10_000), by=st.binary(max_size=3), given_headers=headers)
def test_valid_messages_with_a_few_bytes_exchanged(
    event: object, at: int, by: bytes, given_headers: list[tuple[str, bytes]]
) -> None:
    value = encode(event, event_id=ID, time=NOON, source="here").value
    at %= len(value)
    read_everything(value[:at] + by + value[at + len(by) :], given_headers)


@given(event=events, where=st.data())
def test_valid_messages_with_a_field_exchanged(event: object, where: st.DataObject) -> None:
    fields = orjson.loads(encode(event, event_id=ID, time=NOON, source="here").value)
    name = where.draw(st.sampled_from(sorted(fields)))
    fields[name] = where.draw(json_texts.filter(_is_json))
    read_everything(orjson.dumps(fields), [])


def _is_json(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return not (isinstance(value, float) and math.isnan(value))


VALID = b'{"userId":"u","type":"social-post","input":{"topic":"t","platform":"p"},"metadata":%s}'


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b"\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 1_000 + b"]" * 1_000,
        VALID % (b'{"a":' * 64 + b"1" + b"}" * 64),
        VALID % b"NaN",
        VALID % b'{"a":Infinity}',
        VALID % (b'{"a":' + b"9" * 5_000 + b"}"),
        VALID % b'{"a":1e999}',
        VALID % b'{"a":"\\ud800"}',
        VALID % b'{"a":"\\u0000"}',
        VALID % b'{"\\u0000":1}',
        VALID % b'{"a":["x","\\u0000"]}',
        VALID % b'{"a":"\xff"}',
        VALID % (b'"' + b"x" * 3_000_000 + b'"'),
        b"{" + b'"\\u0000":' * 1,
        b'{"userId":"u","userId":1,"type":"social-post","input":{}}',
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_no_reader_may_pass_on_is_refused_in_every_mode(value: bytes | None) -> None:
    everyone = 1 + len(SPECS)
    assert len(read_everything(value, [])) == everyone
    assert len(read_everything(value, [("content-type", b"application/cloudevents+json")])) == everyone


def test_a_value_that_nests_as_deeply_as_is_taken_can_be_written_again() -> None:
    value = VALID % (b'{"a":' * 62 + b"1" + b"}" * 62)
    request = decode_request(value, [], **PLACE).event
    assert encode(request, event_id=ID, time=NOON, source="here")


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert decode_request(VALID % rb'{"a":"\\u0000"}', [], **PLACE).event.metadata == {"a": r"\u0000"}


def test_integers_of_sixty_four_bits_are_kept_exact() -> None:
    assert decode_request(VALID % b'{"a":18446744073709551615}', [], **PLACE).event.metadata == {"a": 2**64 - 1}
