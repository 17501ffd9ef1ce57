"""However a text comes in pieces, no part of a blocked term leaves, and all the rest does."""

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.filtering.test_terms import FOLDING, TERMS, TRANSFORMS

from fanzgpt_workers.filtering.growing import releasable
from fanzgpt_workers.filtering.terms import TermFilter

FILTER = TermFilter(TERMS, folding=FOLDING)
CLEAN = (
    "the",
    "first",
    "light",
    "I",
    "a",
    "b",
    "4",
    "—",
    "💛",
    "nice",
    "freely",
    "bad",
    "Straßen",
    "w.",
    "\n",
    "b. a.",
)


def released(terms: TermFilter, pieces: Iterable[str]) -> Iterator[tuple[str, int]]:
    """The text after each piece, and how much of it may be shown by then."""
    text, shown = "", 0
    for piece in pieces:
        text += piece
        longer = releasable(terms, text, shown)
        assert shown <= longer <= len(text)
        shown = longer
        yield text, shown


@pytest.mark.parametrize("disguise", TRANSFORMS)
@pytest.mark.parametrize("term", TERMS)
def test_no_letter_of_a_disguised_term_leaves_wherever_it_is_split(term: str, disguise: str) -> None:
    hidden = TRANSFORMS[disguise](term.lower())
    before = "once upon a time there was "
    text = f"{before}{hidden} and they lived happily ever after, all of them"
    for size in (1, 2, 3, 5):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        *_, (_, shown) = released(FILTER, pieces)
        assert shown <= len(before), text[:shown]


@given(
    st.lists(st.sampled_from([*CLEAN, *TERMS, *(TRANSFORMS["spaced"](term) for term in TERMS)]), max_size=12),
    st.sampled_from([" ", "\n", "  ", "\t"]),
    st.integers(1, 9),
)
def test_what_was_shown_never_turns_out_to_be_blocked(words: list[str], space: str, size: int) -> None:
    text = space.join(words)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    for _, shown in released(FILTER, pieces):
        assert not FILTER.blocks(text[:shown])


def test_all_but_the_last_words_of_a_clean_text_is_shown() -> None:
    words = [f"word{number}" for number in range(500)]
    *_, (text, shown) = released(FILTER, (f"{word} " for word in words))
    assert text[:shown].split() == words[: -FILTER.most_words]


def test_a_single_letter_is_shown_once_a_longer_word_has_come() -> None:
    states = dict(released(TermFilter(["bad"], folding=FOLDING), ["I saw ", "b ", "a ", "tree "]))
    assert [text[:shown] for text, shown in states.items()][-1] == "I saw b a"
    assert all("b" not in text[:shown] for text, shown in states.items() if "tree" not in text)


def test_without_terms_everything_is_shown_at_once() -> None:
    assert list(released(TermFilter([]), ["fr", "ee mon"])) == [("fr", 2), ("free mon", 8)]


def test_a_long_text_is_read_once() -> None:
    read = 0

    class Counting(TermFilter):
        def blocks(self, text: str) -> bool:
            nonlocal read
            read += len(text)
            return super().blocks(text)

    pieces = ["some more words "] * 2_000
    *_, (text, _) = released(Counting(TERMS, folding=FOLDING), pieces)
    assert read < 6 * len(text)
