"""Requests as other services send them: named as the contract says, and refused in words their sender can act on."""

from uuid import UUID

import orjson
import pytest

from fanzgpt_schemas.codec import Decoded, ReadableIdentity, decode_event, decode_request, readable_identity
from fanzgpt_schemas.errors import ContractError, NotAnEvent, NotJson, UnknownType
from fanzgpt_schemas.facts import AnalyticsEvent
from fanzgpt_schemas.generation import CancelRequested, GenerationCompleted
from fanzgpt_schemas.identity import foreign_event_id, record_event_id
from fanzgpt_schemas.requests import GENERATION_TYPES, GenerationRequested

PLACE = {"topic": "ai.generation.requested", "partition": 3, "offset": 42}
ID = "0197a000-0000-7000-8000-000000000001"
POST = {"userId": "u", "type": "social-post", "input": {"topic": "t", "platform": "p"}}
COMPLETED = {"userId": "u", "type": "social-post", "input": {}, "output": {"post": "x"}}


def read(body: object = POST, **headers: bytes) -> Decoded[GenerationRequested]:
    return decode_request(
        orjson.dumps(body), [(name.replace("__", "-"), raw) for name, raw in headers.items()], **PLACE
    )


def refusal(body: object, **headers: bytes) -> list[str]:
    with pytest.raises(NotAnEvent) as refused:
        read(body, **headers)
    return [str(violation) for violation in refused.value.violations]


def test_the_id_in_the_body_comes_first() -> None:
    decoded = read({**POST, "requestId": "mine"}, ce_id=b"theirs", request_id=b"header")
    assert decoded.event.request_id == "mine"
    assert decoded.envelope.request_id == "header"


def test_then_the_ce_id() -> None:
    assert read(ce_id=b"theirs", request_id=b"header").event.request_id == "theirs"


def test_then_the_request_id_header() -> None:
    assert read(request_id=b"header").event.request_id == "header"


def test_then_the_place_in_the_log_so_that_a_redelivery_is_the_same_request() -> None:
    assert read().event.request_id == "ai.generation.requested/3/42"
    assert read() == read()


def test_an_empty_header_is_no_name() -> None:
    assert read(ce_id=b"", request_id=b"header").event.request_id == "header"


def test_the_last_of_a_repeated_header_counts() -> None:
    headers = [("request_id", b"first"), ("request_id", b"second")]
    assert decode_request(orjson.dumps(POST), headers, **PLACE).event.request_id == "second"


def test_a_uuid_as_ce_id_is_the_events_id() -> None:
    assert read(ce_id=ID.encode()).envelope.event_id == UUID(ID)


def test_any_other_ce_id_gives_an_id_within_its_source() -> None:
    here = read(ce_id=b"17", ce_source=b"here").envelope.event_id
    assert here == foreign_event_id("here", "17")
    assert here != read(ce_id=b"17", ce_source=b"there").envelope.event_id


def test_without_a_ce_id_the_place_in_the_log_gives_the_id() -> None:
    assert read().envelope.event_id == record_event_id("ai.generation.requested", 3, 42)


@pytest.mark.parametrize("header", ["ce_id", "request_id"])
def test_an_identity_that_is_no_text_is_refused_rather_than_guessed(header: str) -> None:
    assert refusal(POST, **{header: b"\xff"}) == [f"header {header}: is not UTF-8 text"]
    assert "U+0000" in refusal(POST, **{header: b"a\0b"})[0]


@pytest.mark.parametrize("header", ["ce_id", "request_id"])
def test_a_name_that_is_too_long_for_a_request_is_refused(header: str) -> None:
    assert refusal(POST, **{header: b"x" * 129}) == ["requestId: String should have at most 128 characters"]


@pytest.mark.parametrize(
    ("header", "raw"),
    [
        ("traceparent", b"00-zz"),
        ("attempt", b"-1"),
        ("attempt", "٣".encode()),
        ("attempt", b"9" * 400),
        ("ce_time", b"yesterday"),
        ("ce_time", b"2026-11-02T12:00:00"),
        ("ce_time", b"0001-01-01T00:00:00+14:00"),
        ("ce_source", b"\xff"),
        ("ce_subject", b"x" * 5_000),
    ],
)
def test_a_header_that_says_nothing_readable_costs_nobody_their_request(header: str, raw: bytes) -> None:
    envelope = read(**{header: raw}).envelope
    assert envelope == read().envelope


def test_a_later_version_of_the_event_is_refused_by_name() -> None:
    assert refusal(POST, ce_type=b"ai.generation.requested.v2") == [
        "ce_type: ai.generation.requested.v2 is a version that is not read here; ai.generation.requested.v1 is"
    ]


def test_another_services_own_type_is_left_to_it() -> None:
    assert read(ce_type=b"com.example.ask").envelope.type == "com.example.ask"


def test_every_wrong_field_is_named_as_it_is_spelled_on_the_wire() -> None:
    body = {
        "type": "chat-response",
        "userId": "",
        "deadline": "2026-11-02T12:00:00",
        "onUnknown": "maybe",
        "options": {"maxTokens": 0},
        "input": {"history": ["a", {"content": 3}]},
    }
    assert refusal(body) == [
        "userId: String should have at least 1 character",
        "options.maxTokens: Input should be greater than or equal to 1",
        "deadline: Input should have timezone info",
        "onUnknown: Input should be 'retry' or 'fail'",
        "input.message: Field required",
        "input.history.1.content: Input should be a valid string",
    ]


def test_a_field_of_two_types_is_named_once_with_both_reasons() -> None:
    body = {
        "userId": "u",
        "type": "personalized-message",
        "input": {"recipientId": "r", "relationship": "x", "context": 5},
    }
    assert refusal(body) == ["input.context: Input should be a valid string, or: Input should be a valid dictionary"]


def test_python_names_are_not_those_of_the_wire() -> None:
    assert refusal({"user_id": "u", **{name: POST[name] for name in ("type", "input")}}) == ["userId: Field required"]


@pytest.mark.parametrize("deadline", [30, 1.5e12, "30", "1762075800", True])
def test_a_deadline_that_would_have_to_be_guessed_is_refused(deadline: object) -> None:
    assert refusal({**POST, "deadline": deadline})[0].startswith("deadline: must be a date and time with an offset")


def test_a_deadline_beyond_the_last_year_is_refused() -> None:
    assert refusal({**POST, "deadline": "9999-12-31T23:59:59-12:00"}) == [
        "deadline: lies outside the years 1 to 9999 in UTC"
    ]


@pytest.mark.parametrize("url", ["ftp://x/y", "https://", "javascript:alert(1)", "https://a b", "//x/y", "x" * 9_000])
def test_an_image_is_at_an_http_address(url: str) -> None:
    body = {"userId": "u", "type": "image-analysis", "input": {"imageUrl": url, "analysisType": "a"}}
    assert refusal(body)[0].startswith("input.imageUrl: ")


def test_an_unknown_type_is_told_those_that_exist() -> None:
    with pytest.raises(UnknownType, match="'poem' is no generation type") as refused:
        read({**POST, "type": "poem"})
    assert all(known in str(refused.value) for known in GENERATION_TYPES)


@pytest.mark.parametrize("given", [None, 7, [], {"a": 1}])
def test_a_type_that_is_missing_or_no_text_is_named(given: object) -> None:
    with pytest.raises(NotAnEvent, match="type: "):
        read({**POST, "type": given})


def test_large_input_is_not_echoed() -> None:
    with pytest.raises(UnknownType) as refused:
        read({**POST, "type": "x" * 500_000})
    assert len(str(refused.value)) < 600
    many = {**POST, "type": "chat-response", "input": {"message": "m", "history": [{"k" * 1_000: 1}] * 900}}
    told = refusal(many)
    assert len(told) == 21
    assert told[-1] == "(more): 880 further fields are wrong"


@pytest.mark.parametrize(
    ("value", "field", "reason"),
    [
        (b"", "(value)", "is empty"),
        (b"not json", "(value)", "is not JSON in UTF-8"),
        (b"[]", "(value)", "is an array; an event is a JSON object"),
        (b'"x"', "(value)", "is a string"),
        (b'{"userId":"a\\u0000b"}', "userId", "holds U+0000, which cannot be stored"),
        (b'{"input":{"a":[1,"\\u0000"]}}', "input.a.1", "holds U+0000"),
        (b"x" * 1_000_001, "(value)", "is 1,000,001 bytes long; at most 1,000,000 are taken"),
    ],
)
def test_a_value_that_is_no_event_says_where_and_why(value: bytes, field: str, reason: str) -> None:
    with pytest.raises(ContractError) as refused:
        decode_request(value, [], **PLACE)
    (violation,) = refused.value.violations
    assert violation.field == field
    assert violation.reason.startswith(reason)


STRUCTURED = [("content-type", b"application/cloudevents+json")]


@pytest.mark.parametrize(
    ("wrapper", "message"),
    [
        ({"specversion": "1.0"}, "data: is null"),
        ({"data": "text"}, "data: is a string"),
        ({"data_base64": "e30=="}, "data_base64: is not base64"),
        ({"data_base64": "é"}, "data_base64: is not base64"),
        ({"data_base64": 7}, "data_base64: is not JSON"),
        ({"data_base64": "W10="}, "data_base64: is an array"),
        ({"id": "a\0", "data": POST}, r"id: holds U\+0000"),
    ],
)
def test_a_structured_event_without_an_event_in_it_is_refused(wrapper: object, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        decode_request(orjson.dumps(wrapper), STRUCTURED, **PLACE)


def test_nul_inside_base64_is_found() -> None:
    wrapper = {"data_base64": "eyJ1c2VySWQiOiJcdTAwMDAifQ=="}
    with pytest.raises(NotAnEvent, match=r"userId: holds U\+0000"):
        decode_request(orjson.dumps(wrapper), STRUCTURED, **PLACE)


def test_batches_are_refused() -> None:
    with pytest.raises(NotAnEvent, match="never a batch"):
        decode_request(b"[]", [("content-type", b"application/cloudevents-batch+json")], **PLACE)


def test_a_completion_of_another_service_is_named_by_header_then_ce_id_then_place() -> None:
    def named(*headers: tuple[str, bytes]) -> str:
        return decode_event(GenerationCompleted, orjson.dumps(COMPLETED), headers, **PLACE).event.request_id

    assert named(("ce_id", b"event-1"), ("request_id", b"r")) == "r"
    assert named(("ce_id", b"event-1")) == "event-1"
    assert named() == "ai.generation.requested/3/42"


def test_a_cancellation_of_nothing_is_refused() -> None:
    with pytest.raises(NotAnEvent, match="requestId: Field required"):
        decode_event(CancelRequested, b'{"userId":"u"}', [("ce_id", b"event-1")], **PLACE)


def test_an_analytics_event_needs_no_request() -> None:
    event = decode_event(AnalyticsEvent, b'{"userId":"u","event":"e","data":{}}', [], **PLACE).event
    assert event == AnalyticsEvent(user_id="u", event="e", data={})


def identity(body: object, *headers: tuple[str, bytes]) -> ReadableIdentity | None:
    return readable_identity(orjson.dumps(body), headers, **PLACE)


def test_whoever_can_be_read_is_told() -> None:
    assert identity({**POST, "requestId": "mine", "type": "poem"}) == ReadableIdentity(
        request_id="mine", user_id="u", type="poem", input={"topic": "t", "platform": "p"}
    )


@pytest.mark.parametrize("body", [{}, [], {"userId": ""}, {"userId": 7}, {"userId": "a\0"}, {"userId": "x" * 257}])
def test_without_a_user_nobody_is_told(body: object) -> None:
    assert identity(body) is None


@pytest.mark.parametrize("value", [None, b"", b"{", b"\xff"])
def test_without_json_nobody_is_told(value: bytes | None) -> None:
    assert readable_identity(value, [], **PLACE) is None


def test_what_could_not_be_written_is_left_out_of_what_is_told() -> None:
    told = identity({"userId": "u", "requestId": 7, "type": ["x"], "input": {"a": "\0"}}, ("request_id", b"r"))
    assert told == ReadableIdentity(request_id="r", user_id="u", type="unknown", input={})
    deep: object = 1
    for _ in range(100):
        deep = {"a": deep}
    assert identity({"userId": "u", "input": deep}) == ReadableIdentity(
        request_id="ai.generation.requested/3/42", user_id="u", type="unknown", input={}
    )
    wide = {"userId": "u", "input": {"a": "x" * 1_000_000}}
    told = identity(wide)
    assert told is not None
    assert told.input == {}


def test_an_unreadable_header_does_not_hide_who_asked() -> None:
    told = identity({**POST, "requestId": "mine"}, ("ce_id", b"\xff"))
    assert told is not None
    assert told.request_id == "mine"


def test_not_json_is_its_own_kind_of_error() -> None:
    with pytest.raises(NotJson):
        decode_request(b"{", [], **PLACE)
