"""A prompt's beginning is kept by its provider where a next turn can have use of it: it is asked for in time."""

from uuid import uuid4

import pytest

from fanzgpt_workers.ports import Prompt, ProviderCall, Turn
from fanzgpt_workers.providers import chat_completions, messages
from fanzgpt_workers.providers.messages import LEAST_KEPT, LEAST_KEPT_SMALL


def a_call(*texts: str, model: str = "claude-sonnet-4-5") -> ProviderCall:
    turns = tuple(Turn(role="assistant" if place % 2 else "user", text=text) for place, text in enumerate(texts))
    return ProviderCall(
        model=model,
        prompt=Prompt(version="chat-response/1", system="You are kind.", turns=turns),
        max_tokens=100,
        temperature=0.7,
        timeout=10,
        request_id="r",
        attempt_id=uuid4(),
    )


LONG = "x" * (4 * LEAST_KEPT)
LONGER = "x" * (4 * LEAST_KEPT_SMALL)


def test_a_long_conversation_is_kept_up_to_its_last_turn() -> None:
    asked = messages.body(a_call(LONG, "yes", "and then?"))
    *before, last = asked["messages"]  # type: ignore[misc]  # a list of turns
    assert before == [{"role": "user", "content": LONG}, {"role": "assistant", "content": "yes"}]
    block = {"type": "text", "text": "and then?", "cache_control": {"type": "ephemeral"}}
    assert last == {"role": "user", "content": [block]}


@pytest.mark.parametrize(
    "call",
    [
        a_call(LONGER),
        a_call("hi", "hello", "how are you?"),
        a_call(LONG, "yes", "and then?", model="claude-haiku-4-5"),
        a_call(LONG, "yes", "and then?", model="claude-opus-4-6"),
    ],
    ids=["one turn", "short", "short for this model", "short for that one"],
)
def test_what_would_not_be_kept_or_not_be_used_is_not_marked(call: ProviderCall) -> None:
    assert "cache_control" not in str(messages.body(call))


def test_models_that_ask_for_more_keep_what_is_longer() -> None:
    assert "cache_control" in str(messages.body(a_call(LONGER, "yes", "and then?", model="claude-haiku-4-5")))


def test_the_next_turn_begins_with_every_byte_of_this_one() -> None:
    now, later = a_call(LONG, "yes", "and then?"), a_call(LONG, "yes", "and then?", "rain", "and after?")
    one, two = messages.body(now), messages.body(later)
    assert one["system"] == two["system"]
    said = [[(turn["role"], turn["content"]) for turn in asked["messages"]][:2] for asked in (one, two)]  # type: ignore[index,union-attr,call-overload]
    assert said[0] == said[1]


MAKER = chat_completions.Dialect.spoken_at(chat_completions.BASE_URL, limit_field="auto")
OTHER = chat_completions.Dialect.spoken_at("http://127.0.0.1:8080/v1", limit_field="auto")


def key(call: ProviderCall, dialect: chat_completions.Dialect = MAKER) -> object:
    return chat_completions.body(call, dialect).get("prompt_cache_key")


def test_the_turns_of_a_conversation_go_where_it_is_cached() -> None:
    now, later = a_call(LONG, "yes", "and then?"), a_call(LONG, "yes", "and then?", "rain", "and after?")
    assert key(now) == key(later) is not None
    assert key(now) != key(a_call(f"{LONG}!", "yes", "and then?"))


def test_what_openai_does_not_cache_and_who_is_not_openai_gets_no_key() -> None:
    assert [key(a_call(LONG)), key(a_call("hi", "hello", "and then?"))] == [None, None]
    assert key(a_call(LONG, "yes", "and then?"), OTHER) is None
