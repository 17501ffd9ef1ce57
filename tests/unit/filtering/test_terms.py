"""Blocked terms are found in every disguise of UTS #39 and in pairs of them, and in nothing that only contains them."""

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import permutations
from pydoc_data.topics import topics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.filtering.folding import Folding
from fanzgpt_workers.filtering.terms import TermFilter

TERMS = ("badword", "free money", "nasty", "Straße", "坏话", "café")
FOLDING = Folding()
FILTER = TermFilter(TERMS, folding=FOLDING)

CYRILLIC = str.maketrans("aceopxyis", "асеорхуіѕ")
GREEK = str.maketrans("aovp", "αονρ")
FULLWIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
BOLD = {ord("a") + n: chr(0x1D41A + n) for n in range(26)}
CIRCLED = {ord("a") + n: chr(0x24D0 + n) for n in range(26)}
LETTERS_AS_SIGNS = str.maketrans("aeost", "43057")


def between(inserted: str) -> Callable[[str], str]:
    """The character after every letter but the last of a word."""
    return lambda term: re.sub(r"(?<=\w)(?=\w)", lambda _: inserted, term)


TRANSFORMS: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "title case": str.title,
    "fullwidth": lambda term: term.translate(FULLWIDTH),
    "mathematical bold": lambda term: term.translate(BOLD),
    "circled": lambda term: term.translate(CIRCLED),
    "cyrillic": lambda term: term.translate(CYRILLIC),
    "greek": lambda term: term.translate(GREEK),
    "zero-width space": between("\u200b"),
    "zero-width joiner": between("\u200d"),
    "soft hyphen": between("\u00ad"),
    "word joiner": between("\u2060"),
    "variation selector": between("\ufe0f"),
    "tag": between("\U000e0061"),
    "bidi override": between("\u202e"),
    "combining mark": between("\u0301"),
    "two marks": between("\u0327\u0308"),
    "dots": between("."),
    "hyphens": between("-"),
    "stars": between("*"),
    "figures": lambda term: term.translate(LETTERS_AS_SIGNS),
    "spaced": between(" "),
    "exclaimed": lambda term: f"{term}!!!",
    "quoted": lambda term: f"“{term}”",
    "wide spaces": lambda term: term.replace(" ", "\u3000\u00a0"),
}
# Letters that are apart twice are no longer read: "b. a. d" is a list, and "b\u200b a" is caught as "b a".
APART = {"dots", "hyphens", "stars", "spaced"}


@pytest.mark.parametrize("disguise", TRANSFORMS)
@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_found_in_a_disguise(term: str, disguise: str) -> None:
    assert FILTER.blocks(f"well, {TRANSFORMS[disguise](term.lower())} indeed")


@pytest.mark.parametrize(
    ("first", "second"), [pair for pair in permutations(TRANSFORMS, 2) if not APART.issuperset(pair)]
)
def test_a_term_is_found_in_two_disguises(first: str, second: str) -> None:
    for term in TERMS:
        text = TRANSFORMS[second](TRANSFORMS[first](term.lower()))
        assert FILTER.blocks(f"well, {text} indeed"), ascii(text)


@pytest.mark.parametrize(
    ("term", "innocent"),
    [
        ("cunt", "Scunthorpe"),
        ("ass", "the class passed the assassin's assessment"),
        ("ass", "route 455"),
        ("tit", "a titan's constitution"),
        ("cock", "cocktails with Hitchcock"),
        ("sex", "Middlesex and Essex"),
        ("hell", "hello, shell"),
        ("rape", "a grape drape"),
        ("anal", "an analyst's analysis of a canal"),
        ("free money", "be free, the money is yours"),
        ("modem", "modern"),
        ("he", "the H. E. Bates prize"),
    ],
)
def test_a_longer_word_or_another_one_is_no_term(term: str, innocent: str) -> None:
    if term == "he":  # letters alone are read together, which initials can spell: the one price of it
        assert TermFilter([term]).blocks(innocent)
    else:
        assert not TermFilter([term]).blocks(innocent)


def prose() -> Iterator[str]:
    """English that nobody wrote to offend: the paragraphs of the standard library's documentation strings."""
    for package in ("asyncio", "concurrent", "email", "http", "json", "logging", "unittest", "urllib", "xml"):
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if module.name.endswith("__main__") or "windows" in module.name:
                continue
            for _, member in inspect.getmembers(import_module(module.name)):
                text = inspect.getdoc(member) if inspect.isclass(member) or inspect.isfunction(member) else None
                yield from (text or "").split("\n\n")
    for text in topics.values():
        yield from text.split("\n\n")


def test_a_clean_corpus_is_left_alone() -> None:
    # A short list of the kind that operators set.
    terms = (
        "ass arse bastard bitch bollocks cock crap cunt damn dick fag fuck hell nazi piss porn rape shit slut tit wank"
    )
    blocked = TermFilter(terms.split())
    paragraphs = {paragraph for paragraph in prose() if len(paragraph) > 40}
    assert len(paragraphs) > 1_500
    caught = [paragraph for paragraph in paragraphs if blocked.blocks(paragraph)]
    assert len(caught) <= len(paragraphs) / 1_000, caught


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    FILTER.blocks(text)
    assert FILTER.blocks(f"{text} badword")


@given(st.lists(st.text(max_size=20), max_size=5))
def test_any_terms_make_a_filter(terms: list[str]) -> None:
    made = TermFilter(terms, folding=FOLDING)
    assert made.size <= len(terms)


def test_a_term_that_folds_to_nothing_blocks_nothing() -> None:
    made = TermFilter(["\u200b", "...", ""])
    assert made.size == 0
    assert not made.blocks("anything ... \u200b")
