"""Writing is strict: what the contract does not know, or nobody could read again, is refused before it is published."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from fanzgpt_schemas.codec import Encoded, encode, new_request
from fanzgpt_schemas.errors import ContractError, NotAnEvent, NotJson, UnknownType
from fanzgpt_schemas.events import Event
from fanzgpt_schemas.facts import AnalyticsEvent, DeadLetter
from fanzgpt_schemas.generation import GenerationCompleted, GenerationMetadata
from fanzgpt_schemas.inputs import SocialPostInput

ID = UUID(int=1)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
COMPLETED = GenerationCompleted(request_id="r", user_id="u", type="social-post", input={}, output={"post": "x"})
ASKED = {"type": "social-post", "user_id": "u", "request_id": "r", "input": {"topic": "t", "platform": "p"}}


def written(event: Event, **more: str) -> Encoded:
    return encode(event, event_id=ID, time=NOON, source=more.pop("source", "here"), **more)


def analytics(data: object) -> AnalyticsEvent:
    return AnalyticsEvent.model_construct(user_id="u", event="e", data=data)


def refusal(event: Event) -> str:
    with pytest.raises(ContractError) as refused:
        written(event)
    return str(refused.value)


def test_a_field_that_the_contract_does_not_know_is_refused() -> None:
    assert refusal(COMPLETED.model_copy(update={"outptu": {}})) == "outptu: is no field of the contract"


def test_a_field_that_is_missing_is_refused() -> None:
    assert refusal(AnalyticsEvent.model_construct(user_id="u", event="e")) == "data: is missing"


def test_a_field_within_a_field_is_named_with_its_way() -> None:
    request = new_request(**ASKED)
    bare = SocialPostInput.model_construct(topic="t").model_copy(update={"hashtags": []})
    wrong = request.model_copy(update={"input": bare})
    assert refusal(wrong) == "input.hashtags: is no field of the contract; input.platform: is missing"


def test_open_objects_stay_open() -> None:
    metadata = GenerationMetadata.model_validate({"region": "eu"})
    assert b'"region":"eu"' in written(COMPLETED.model_copy(update={"metadata": metadata})).value


@pytest.mark.parametrize(
    "data",
    [{"a": 2**64}, {"a": "\ud800"}, {"\ud800": 1}, {"a": {1, 2}}, {"a": object()}, {1: 2}, "text", {"a": b"bytes"}],
)
def test_what_has_no_place_in_json_is_refused(data: object) -> None:
    assert refusal(analytics(data))


def test_nul_is_refused_by_its_field() -> None:
    assert refusal(analytics({"a": ["b", "\0"]})) == "data.a.1: holds U+0000, which cannot be stored"


def test_depth_is_refused_where_no_reader_would_go() -> None:
    deep: dict[str, object] = {}
    for _ in range(70):
        deep = {"a": deep}
    with pytest.raises(NotJson, match="nested more than 64 levels deep"):
        written(analytics(deep))
    endless: dict[str, object] = {}
    endless["a"] = endless
    assert refusal(analytics(endless))


def test_a_value_that_its_topic_does_not_take_is_refused() -> None:
    assert refusal(analytics({"a": "x" * 1_000_000})).endswith("at most 1,000,000 are taken")


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(NotAnEvent, match="time: needs an offset"):
        encode(COMPLETED, event_id=ID, time=datetime(2026, 11, 2), source="here")  # noqa: DTZ001 - what is refused


def test_a_header_that_is_no_text_is_refused() -> None:
    with pytest.raises(NotAnEvent, match="headers: hold a lone surrogate"):
        written(COMPLETED, source="\ud800")


def test_fields_that_are_none_are_left_out_and_null_inside_data_is_data() -> None:
    assert b"metadata" in written(COMPLETED).value
    assert b"costUsd" not in written(COMPLETED).value
    assert written(AnalyticsEvent(user_id="u", event="e", data={"a": None})).value.endswith(b'{"a":null}}')


def test_a_dead_letter_is_keyed_by_where_its_record_came_from() -> None:
    letter = DeadLetter(topic="t", partition=3, offset=42, reason="invalid", error="", time=NOON)
    assert written(letter).key == b"t/3/42"
    assert ("ce_subject", b"t/3/42") in written(letter).headers


def test_a_request_is_built_from_names_of_the_wire_or_of_python() -> None:
    asked = {**ASKED, "type": "personalized-message"}
    wire = new_request(**{**asked, "input": {"recipientId": "f", "context": "c", "relationship": "r"}})
    python = new_request(**{**asked, "input": {"recipient_id": "f", "context": "c", "relationship": "r"}})
    assert wire == python


def test_a_request_is_built_from_models_too() -> None:
    built = new_request(**{**ASKED, "input": SocialPostInput(topic="t", platform="p")}, deadline=NOON)
    assert built == new_request(**ASKED, deadline="2026-11-02T13:00:00+01:00")


def test_options_are_open_and_checked_where_they_are_known() -> None:
    assert new_request(**ASKED, options={"tone": "warm", "maxTokens": 5}).options.extras == {"tone": "warm"}
    with pytest.raises(NotAnEvent, match=r"^options.maxTokens: Input should be greater than or equal to 1$"):
        new_request(**ASKED, options={"maxTokens": 0})
    with pytest.raises(NotAnEvent, match=r"^options: Input should be a valid dictionary"):
        new_request(**ASKED, options=7)


def test_everything_wrong_with_a_request_is_told_at_once() -> None:
    with pytest.raises(NotAnEvent) as refused:
        new_request(
            **{**ASKED, "user_id": "", "input": {"topic": "", "hashtags": []}},
            options={"temperature": 3},
            on_unknown="maybe",
        )
    assert [str(violation) for violation in refused.value.violations] == [
        "userId: String should have at least 1 character",
        "onUnknown: Input should be 'retry' or 'fail'",
        "input.topic: String should have at least 1 character",
        "input.platform: Field required",
        "input.hashtags: is no field of the contract",
        "options.temperature: Input should be less than or equal to 2",
    ]


def test_a_request_of_no_known_type_is_refused() -> None:
    with pytest.raises(UnknownType, match="'poem' is no generation type"):
        new_request(**{**ASKED, "type": "poem"})


@pytest.mark.parametrize(
    "more",
    [
        {"metadata": {"a": 2**64}},
        {"metadata": {"a": float("nan")}},
        {"metadata": {"a": "\ud800"}},
        {"metadata": {"a": object()}},
        {"metadata": {"a": "\0"}},
        {"options": {"tone": "\0"}},
        {"conversation_id": "a\0"},
        {"input": 7},
        {"type": ["social-post"]},
        {"deadline": 30},
    ],
)
def test_a_request_that_could_not_be_written_is_not_built(more: dict[str, object]) -> None:
    with pytest.raises(ContractError):
        new_request(**{**ASKED, **more})
