"""What is kept reads as what it was, or not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.cache.kept_text import LARGEST_BYTES, read, write
from fanzgpt_workers.ports import KnownAnswer

texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)
answers = st.builds(
    KnownAnswer,
    output=st.dictionaries(texts, texts | st.lists(texts) | st.integers(-(2**53), 2**53)),
    request_id=texts,
    usd=st.none() | st.decimals(0, 100, places=9),
    provider=st.none() | texts,
    model=st.none() | texts,
    prompt_version=st.none() | texts,
    finish_reason=st.none() | texts,
)


@given(answers)
def test_an_answer_reads_as_it_was_written(answer: KnownAnswer) -> None:
    written = write(answer)
    assert written is not None
    assert read(written) == answer


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"output": []}', '{"post": "of another program"}'])
def test_whatever_else_stands_under_the_key_is_no_answer(text: str) -> None:
    assert read(text) is None


def test_a_very_long_answer_is_not_kept() -> None:
    answer = KnownAnswer(
        output={"post": "x" * LARGEST_BYTES},
        request_id="r",
        usd=Decimal(1),
        provider=None,
        model=None,
        prompt_version=None,
        finish_reason=None,
    )
    assert write(answer) is None
