"""A preview grows with its text and comes to what the whole answer is read as."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.ports import Completion
from fanzgpt_workers.prompts import reading
from fanzgpt_workers.prompts.preview import preview


def read_whole(text: str) -> str:
    return reading.plain(Completion(text=text, model="m", response_id=None, finish_reason="stop", usage=None))


@pytest.mark.parametrize(
    "text",
    [
        "Up before the sun. ☀",
        '"Up before the sun."',
        "“Up before the sun.”\n",
        "```\nUp before\nthe sun.\n```",
        "```text\nUp before the sun.\n```\n",
        "<think>The user wants\na post.</think>\n\nUp before the sun.",
        "  \n Up <thinly> veiled \0 light",
        "a < b, and <th is no mark",
    ],
)
def test_it_comes_to_the_answer(text: str) -> None:
    assert preview(text) == read_whole(text)


@given(
    st.lists(
        st.sampled_from(
            ["<think>", "</think>", "<th", "ink>", "```", "`", "\n", "text", '"', "“", "”", "'", " ", "word", "\0"]
        ),
        max_size=12,
    )
)
def test_each_preview_begins_with_the_one_before(parts: list[str]) -> None:
    before = ""
    for end in range(len(parts) + 1):
        now = preview("".join(parts[:end]))
        assert now.startswith(before)
        before = now


def test_a_models_thinking_is_never_shown() -> None:
    text = "<think>secret plans</think>Hello."
    assert {preview(text[:end]) for end in range(len(text) + 1)} <= {"", *("Hello."[:end] for end in range(7))}
