"""Which records belong to a request."""

import json
from base64 import b64encode

import pytest

from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.records import Record
from fanzgpt_workers.tracing.matching import letter_of, names_request

LETTER = {
    "topic": "asked",
    "partition": 3,
    "offset": 12,
    "reason": "invalid",
    "error": "",
    "time": "2026-11-23T09:00:00Z",
}


def record(value: bytes | None, headers: list[tuple[str, bytes]] | None = None) -> Record:
    return Record(Origin("t", 0, 1), 0, None, value, headers or [])


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(record(b"{}", [("request_id", b"r-1")]), id="header"),
        pytest.param(record(b'{"requestId":"r-1"}'), id="plain JSON"),
        pytest.param(record(b'{"requestId":"r\\u002d1"}'), id="JSON with escapes"),
        pytest.param(record(b'{"specversion":"1.0","data":{"requestId":"r-1"}}'), id="structured mode"),
        pytest.param(
            record(json.dumps({**LETTER, "value": b64encode(b'{"requestId":"r-1"').decode()}).encode()),
            id="dead letter of a broken request",
        ),
    ],
)
def test_a_record_names_a_request_in_whatever_mode_it_was_sent(found: Record) -> None:
    assert names_request(found, "r-1")


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(record(None), id="tombstone"),
        pytest.param(record(b'{"requestId":"r-10"}'), id="longer id"),
        pytest.param(record(b'{"input":{"topic":"about r-1"}}'), id="the id as somebody's text"),
        pytest.param(record(b'["r-1"]'), id="no object"),
        pytest.param(record(b'{"requestId":"r-1'), id="no JSON"),
        pytest.param(record(json.dumps({**LETTER, "value": "r-1 is no base64"}).encode()), id="letter without bytes"),
    ],
)
def test_a_mere_mention_is_no_belonging(found: Record) -> None:
    assert not names_request(found, "r-1")


def test_a_dead_letter_tells_which_record_it_is_about() -> None:
    assert letter_of(record(json.dumps(LETTER).encode())) == Origin("asked", 3, 12)
    assert letter_of(record(b'{"topic":"asked"}')) is None
    assert letter_of(record(b"\xff")) is None
