"""From a model's text to the answer object, or to words that say why not."""

import json
from datetime import date
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.unit.prompts.requested import INPUTS, requested

from fanzgpt_schemas.outputs import OUTPUTS
from fanzgpt_workers.errors import OutputRefused
from fanzgpt_workers.ports import Completion
from fanzgpt_workers.prompts.library import PromptLibrary

LIBRARY = PromptLibrary(today=lambda: date(2026, 11, 23))
Finish = Literal["stop", "length", "refusal", "content-filter", "other"]
WEEK = {f"2026-11-{day}": {"platform": "instagram", "idea": "a video"} for day in range(23, 30)}
ANALYSIS: dict[str, JsonValue] = {"summary": "s", "insights": ["i"], "recommendations": ["r"]}


def said(text: str, finish: Finish = "stop") -> Completion:
    return Completion(text=text, model="m", response_id=None, finish_reason=finish, usage=None)


def read(generation_type: str, answer: object, finish: Finish = "stop", **changes: JsonValue) -> object:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return LIBRARY.read(requested(generation_type, **changes), said(text, finish))


@pytest.mark.parametrize(
    ("generation_type", "name"),
    [("social-post", "post"), ("personalized-message", "message"), ("chat-response", "response")],
)
@pytest.mark.parametrize(
    "text",
    ["Hello", "  Hello\n", '"Hello"', "“Hello”", "```\nHello\n```", "```text\nHello\n```", "<think>hm</think>\nHello"],
)
def test_text_is_unwrapped(generation_type: str, name: str, text: str) -> None:
    assert read(generation_type, text) == {name: "Hello"}


@pytest.mark.parametrize(
    "text", ['"Yes" or "no"', 'She said "hello"', "'90s music, rockin'", "```code``` here", "it's", '"']
)
def test_signs_that_belong_to_the_text_stay(text: str) -> None:
    expected = text if text != "'90s music, rockin'" else "90s music, rockin"
    assert read("social-post", text) == {"post": expected}


def test_a_nul_becomes_a_sign_that_can_be_stored() -> None:
    assert read("social-post", "a\0b") == {"post": "a\ufffdb"}
    starters = {"starters": ["a\0b", "c", "d"]}
    assert read("conversation-starters", starters) == {"starters": ["a\ufffdb", "c", "d"]}


@pytest.mark.parametrize("generation_type", sorted(INPUTS))
@pytest.mark.parametrize("text", ["", "  \n", '""', "``` \n```"])
def test_no_text_is_refused(generation_type: str, text: str) -> None:
    with pytest.raises(OutputRefused) as caught:
        read(generation_type, text)
    assert caught.value.repairable


@pytest.mark.parametrize("generation_type", sorted(INPUTS))
@pytest.mark.parametrize("finish", ["refusal", "content-filter"])
def test_a_models_refusal_is_never_the_answer(generation_type: str, finish: Finish) -> None:
    with pytest.raises(OutputRefused, match=finish) as caught:
        read(generation_type, "I'm sorry, but I can't help with that.", finish)
    assert not caught.value.repairable


def test_text_cut_off_at_the_limit_is_kept_and_half_a_json_is_not() -> None:
    assert read("social-post", "Hello wor", "length") == {"post": "Hello wor"}
    with pytest.raises(OutputRefused, match="token limit"):
        read("conversation-starters", '{"starters": ["a', "length")
    assert read("performance-analysis", ANALYSIS, "length") == {"analysis": ANALYSIS}


def test_text_too_long_for_the_contract_is_refused() -> None:
    with pytest.raises(OutputRefused, match="100000"):
        read("social-post", "x" * 100_001)


@pytest.mark.parametrize("count", [1, 3, 20])
def test_starters_are_as_many_as_were_asked_for(count: int) -> None:
    lines = [f"line {number}" for number in range(20)]
    assert read("conversation-starters", {"starters": lines}, count=count) == {"starters": lines[:count]}


def test_too_few_starters_are_refused() -> None:
    with pytest.raises(OutputRefused, match="5 were asked for"):
        read("conversation-starters", {"starters": ["a"]}, count=5)


def test_a_calendar_keyed_by_date_becomes_entries_in_date_order() -> None:
    answer = dict(reversed(WEEK.items()))
    calendar = {"calendar": {"entries": [{"date": day, **piece} for day, piece in WEEK.items()]}}
    assert read("content-calendar", answer) == calendar
    assert read("content-calendar", {"entries": list(reversed(calendar["calendar"]["entries"]))}) == calendar


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"2026-02-31": {"platform": "x", "idea": "y"}}, "date"),
        ({"2026-11-23": {"platform": "x"}}, "idea"),
        ({"2026-11-23": {"platform": "x", "idea": " "}}, "idea"),
        ({"2026-11-23": "a video"}, "entries"),
        ({}, "entries"),
        ({"entries": []}, "entries"),
        ([], "no object"),
        ("a plan", "not JSON"),
    ],
)
def test_a_calendar_that_is_none_is_refused_with_the_field(answer: object, words: str) -> None:
    with pytest.raises(OutputRefused, match=words):
        read("content-calendar", answer)


@pytest.mark.parametrize("missing", sorted(ANALYSIS))
def test_an_analysis_is_whole(missing: str) -> None:
    assert read("performance-analysis", ANALYSIS) == {"analysis": ANALYSIS}
    with pytest.raises(OutputRefused, match=missing):
        read("performance-analysis", {name: value for name, value in ANALYSIS.items() if name != missing})


def test_the_words_of_a_refusal_never_quote_the_answer() -> None:
    answer = {"2026-11-23": {"platform": ["my secret"], "idea": {"secret": "secret"}}}
    with pytest.raises(OutputRefused) as caught:
        read("content-calendar", answer)
    assert "secret" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "starters",
                    "entries",
                    "date",
                    "platform",
                    "idea",
                    "summary",
                    "insights",
                    "recommendations",
                    "2026-11-23",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(
    st.sampled_from(sorted(INPUTS)), JSON.map(json.dumps) | st.text(max_size=60), st.sampled_from(["stop", "length"])
)
def test_any_text_is_an_answer_of_the_contract_or_refused(generation_type: str, text: str, finish: Finish) -> None:
    request = requested(generation_type)
    try:
        output = LIBRARY.read(request, said(text, finish))
    except OutputRefused:
        return
    assert OUTPUTS[request.type].model_validate(output).wire() == output
    assert "\0" not in json.dumps(output, ensure_ascii=False)


def test_a_repair_shows_the_answer_and_the_reason_after_the_same_beginning() -> None:
    prompt = LIBRARY.render(requested("conversation-starters"))
    repaired = LIBRARY.repair(prompt, said('{"starters": []}'), "starters: 3 were asked for")
    assert repaired.turns[: len(prompt.turns)] == prompt.turns
    assert [turn.role for turn in repaired.turns] == ["user", "assistant", "user"]
    assert repaired.turns[1].text == '{"starters": []}'
    assert "3 were asked for" in repaired.turns[2].text
    assert (repaired.system, repaired.version, repaired.output_schema) == (
        prompt.system,
        prompt.version,
        prompt.output_schema,
    )


@pytest.mark.parametrize(("text", "shown"), [("", 9), ("x" * 50_000, 4_000), ("\0", 1)])
def test_a_repair_of_nothing_or_of_too_much_has_a_turn_all_the_same(text: str, shown: int) -> None:
    repaired = LIBRARY.repair(LIBRARY.render(requested("social-post")), said(text), "it is empty")
    assert len(repaired.turns[1].text) == shown
