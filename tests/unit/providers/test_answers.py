"""Reading answers, whatever they hold, and what is sent to which endpoint."""

from collections.abc import Callable
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from fanzgpt_workers.core.attempts import Usage
from fanzgpt_workers.errors import Malformed
from fanzgpt_workers.ports import Completion, OutputSchema, Prompt, ProviderCall, Turn
from fanzgpt_workers.providers import chat_completions, messages

MAKER = chat_completions.Dialect.spoken_at(chat_completions.BASE_URL, limit_field="auto")
OTHER = chat_completions.Dialect.spoken_at("http://127.0.0.1:8080/v1", limit_field="auto")
LINES = OutputSchema(
    name="lines",
    schema={
        "type": "object",
        "properties": {
            "maxLength": {"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 2, "maxItems": 2}
        },
        "required": ["maxLength"],
        "additionalProperties": False,
    },
)


def a_call(model: str, *, temperature: float = 0.7, schema: OutputSchema | None = None) -> ProviderCall:
    return ProviderCall(
        model=model,
        prompt=Prompt(version="t/1", system="s", turns=(Turn(role="user", text="u"),), output_schema=schema),
        max_tokens=7,
        temperature=temperature,
        timeout=1.0,
        request_id="r",
        attempt_id=UUID(int=1),
    )


def chat(usage: object = None, **choice: object) -> Completion:
    document = {"id": "c1", "model": "m-1", "choices": [{"finish_reason": "stop", **choice}], "usage": usage}
    return chat_completions.read(orjson.dumps(document), asked_model="m")


def message(usage: object = None, **document: object) -> Completion:
    whole = {"id": "m1", "content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn", "usage": usage}
    return messages.read(orjson.dumps({**whole, **document}), asked_model="m")


def test_openais_input_holds_its_cached_tokens() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }
    assert chat(usage, message={"content": "a"}).usage == Usage(
        input=100, output=20, cache_read=60, cache_write=5, reasoning=12
    )


def test_anthropics_cached_tokens_are_added_to_its_input() -> None:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 3},
    }
    assert message(usage).usage == Usage(input=100, output=20, cache_read=60, cache_write=30, reasoning=3)


@pytest.mark.parametrize("count", [-1, 1.5, "7", True, None, 2**60])
def test_a_count_that_is_none_is_not_told(count: JsonValue) -> None:
    assert chat({"prompt_tokens": count, "completion_tokens": 1}, message={"content": "a"}).usage is None
    assert message({"input_tokens": count, "output_tokens": 1}).usage is None


def test_a_refusal_in_its_own_field_is_a_refusal() -> None:
    completion = chat(message={"content": None, "refusal": "I cannot."})
    assert (completion.finish_reason, completion.text) == ("refusal", "I cannot.")


def test_all_tokens_spent_on_thinking_is_an_answer_without_text() -> None:
    assert chat(message={"content": None}, finish_reason="length").text == ""
    assert message(content=[{"type": "thinking", "thinking": "hm"}], stop_reason="max_tokens").text == ""


def test_several_blocks_of_text_are_one_text() -> None:
    blocks = [{"type": "text", "text": "a"}, {"type": "tool_use"}, {"type": "text", "text": "b"}]
    assert message(content=blocks).text == "ab"


@pytest.mark.parametrize("reason", ["tool_calls", "pause_turn", "something new", None, 3])
def test_a_reason_that_is_not_known_is_other(reason: JsonValue) -> None:
    assert chat(message={"content": "a"}, finish_reason=reason).finish_reason == "other"
    assert message(stop_reason=reason).finish_reason == "other"


def test_a_model_that_does_not_name_itself_is_the_one_asked_for() -> None:
    assert message().model == "m"
    assert chat(message={"content": "a"}).model == "m-1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "content",
                    "text",
                    "type",
                    "finish_reason",
                    "stop_reason",
                    "refusal",
                    "usage",
                    "id",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
READERS = st.sampled_from([chat_completions.read, messages.read])


@given(READERS, JSON.map(orjson.dumps) | st.binary(max_size=80))
def test_any_answer_is_read_or_malformed(read: Callable[..., Completion], content: bytes) -> None:
    try:
        completion = read(content, asked_model="m")
    except Malformed:
        return
    assert isinstance(completion.text, str)


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_an_answer_nested_past_reason_is_malformed(depth: int) -> None:
    with pytest.raises(Malformed):
        chat_completions.read(b"[" * depth + b"]" * depth, asked_model="m")


@pytest.mark.parametrize(
    ("base_url", "field"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://mine.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://openrouter.ai/api/v1", "max_tokens"),
        ("http://127.0.0.1:8080/v1", "max_tokens"),
        ("https://api.openai.com.example.org/v1", "max_tokens"),
    ],
)
def test_the_host_decides_which_field_carries_the_limit(base_url: str, field: str) -> None:
    dialect = chat_completions.Dialect.spoken_at(base_url, limit_field="auto")
    body = chat_completions.body(a_call("m"), dialect)
    assert body[field] == 7
    assert len({"max_tokens", "max_completion_tokens"} & body.keys()) == 1


def test_a_setting_decides_over_the_host() -> None:
    dialect = chat_completions.Dialect.spoken_at("http://127.0.0.1/v1", limit_field="max_completion_tokens")
    assert chat_completions.body(a_call("m"), dialect)["max_completion_tokens"] == 7


@pytest.mark.parametrize(
    ("model", "dialect", "sent"),
    [
        ("gpt-4o-mini", MAKER, True),
        ("gpt-5-mini", MAKER, False),
        ("gpt-5-chat-latest", MAKER, True),
        ("o4-mini", MAKER, False),
        ("gpt-5-mini", OTHER, True),
    ],
)
def test_openais_reasoning_models_get_no_temperature(model: str, dialect: chat_completions.Dialect, sent: bool) -> None:
    assert ("temperature" in chat_completions.body(a_call(model), dialect)) == sent


@pytest.mark.parametrize(
    ("model", "temperature"),
    [
        ("claude-3-5-haiku-latest", 1.0),
        ("claude-sonnet-4-20250514", 1.0),
        ("claude-opus-4-1-20250805", 1.0),
        ("claude-haiku-4-5", 1.0),
        ("claude-opus-4-7", None),
        ("claude-opus-5", None),
        ("claude-haiku-5-5", None),
        ("smollm2", 1.0),
    ],
)
def test_claude_gets_a_temperature_of_at_most_one_where_it_takes_any(model: str, temperature: float | None) -> None:
    assert messages.body(a_call(model, temperature=1.8)).get("temperature") == temperature


def test_each_endpoint_gets_the_bounds_that_it_takes_and_the_others_in_words() -> None:
    def items_of(body: dict[str, JsonValue], *path: str) -> dict[str, object]:
        at: object = body
        for name in (*path, "schema", "properties", "maxLength"):
            assert isinstance(at, dict)
            at = at[name]
        assert isinstance(at, dict)
        return at

    call = a_call("m", schema=LINES)
    told = "(maxLength: 9)"
    local = items_of(chat_completions.body(call, OTHER), "response_format", "json_schema")
    assert local == LINES.schema["properties"]["maxLength"]  # type: ignore[index, call-overload]  # it is known
    hosted = items_of(chat_completions.body(call, MAKER), "response_format", "json_schema")
    assert hosted == {"type": "array", "items": {"type": "string", "description": told}, "minItems": 2, "maxItems": 2}
    claude = items_of(messages.body(call), "output_config", "format")
    assert claude == {
        "type": "array",
        "items": {"type": "string", "description": told},
        "description": "(minItems: 2, maxItems: 2)",
    }
