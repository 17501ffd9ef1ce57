"""The same question has the same fingerprint, another question another."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from tests.unit.schemas.generated import requests

from fanzgpt_schemas.codec import decode_request, encode, new_request
from fanzgpt_schemas.fingerprint import fingerprint
from fanzgpt_schemas.identity import record_event_id
from fanzgpt_schemas.requests import GenerationRequested

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
PLACE = {"topic": "t", "partition": 0, "offset": 0}
ASKED = {
    "type": "conversation-starters",
    "user_id": "u",
    "request_id": "r",
    "input": {"context": {"a": 1, "b": 2}, "count": 5},
    "options": {"tone": "warm"},
}
ASKED_PRINT = fingerprint(new_request(**ASKED))


def test_it_is_sixteen_bytes_that_ledgers_already_hold() -> None:
    assert ASKED_PRINT.hex() == "e17bb63275c77cd0df161f5a33ef3506"


@pytest.mark.parametrize(
    "more",
    [
        {"user_id": "v"},
        {"request_id": "s"},
        {"deadline": NOON},
        {"metadata": {"a": 1}},
        {"on_unknown": "fail"},
        {"input": {"count": 5, "context": {"b": 2, "a": 1}}},
        {"input": {"context": {"a": 1, "b": 2}}},
    ],
)
def test_who_asks_when_and_in_which_spelling_makes_no_difference(more: dict[str, object]) -> None:
    assert fingerprint(new_request(**{**ASKED, **more})) == ASKED_PRINT


@pytest.mark.parametrize(
    "more",
    [
        {"input": {"context": {"a": 1, "b": 2}, "count": 4}},
        {"input": {"context": {"a": 1, "b": None}, "count": 5}},
        {"input": {"context": {"a": 1}, "count": 5}},
        {"options": {"tone": "cool"}},
        {"options": {"tone": "warm", "model": "m"}},
        {"options": {}},
        {"conversation_id": "c"},
    ],
)
def test_what_is_asked_makes_all_the_difference(more: dict[str, object]) -> None:
    assert fingerprint(new_request(**{**ASKED, **more})) != ASKED_PRINT


@given(request=requests)
def test_a_trip_through_the_topic_does_not_change_it(request: GenerationRequested) -> None:
    record = encode(request, event_id=record_event_id("t", 0, 0), time=NOON, source="here")
    shuffled = dict(reversed(orjson.loads(record.value).items()))
    assert fingerprint(decode_request(orjson.dumps(shuffled), [], **PLACE).event) == fingerprint(request)
