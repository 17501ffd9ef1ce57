"""Finding blocked terms in a text, as whole words, in one pass however many terms there are.

A key is a text's words between single spaces. A term's key is found in it by Aho-Corasick with the spaces that bound
it, so that a term inside a longer word is none. A text has several keys: as it is; without the punctuation inside
words (b.a.d); with the letters that figures and signs stand for (b4d); and letters that stand alone are read together
(b a d). Out of reach, and said so: other spellings, other words, other encodings.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import ahocorasick

from fanzgpt_workers.filtering.folding import Folding

_ASCII_WORD: Final = re.compile(r"[^\W_]+")
# Letters of scripts that put no spaces between words are words of their own.
_UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_ANY_WORD: Final = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W_])+")
_INNER: Final = re.compile(r"(?<=[^\W_])(?:[^\w\s]|_)+(?=[^\W_])")
_SIGNS: Final = str.maketrans("0123456789!|l@$+€", "oizeasgtbgiiiaste")
_SIGNED: Final = re.compile(r"[0-9!|@$+€]")
_SIGNED_WORD: Final = re.compile(r"\S*[0-9!|@$+€]\S*")
_LETTER: Final = re.compile(r"[^\W\d_]")
_TAIL: Final = re.compile(r"[!|@$+€]+(?=\s|$)")
_MOST_ALONE: Final = 4_000


class TermFilter:
    """Says whether a text contains a blocked term; immutable, so that a new list is a new filter."""

    def __init__(self, terms: Iterable[str], *, folding: Folding | None = None) -> None:
        """Compile the terms; one that folds to nothing (only signs or invisible characters) is left out.

        `size` is how many there are, `most_words` how many words the longest of them has. `folding` spares a later
        filter the reading of its table.
        """
        self._folding = folding or Folding()
        self._bounded = ahocorasick.Automaton()
        self._alone = ahocorasick.Automaton()
        self.size = 0
        self.most_words = 0
        for term in terms:
            folded = self._folding.fold(term)
            for words in (_words(folded), _words(folded.translate(_SIGNS))):
                if words:
                    self._bounded.add_word(f" {' '.join(words)} ", True)
                    self._bounded.add_word(f" {''.join(words)} ", True)
                    self._alone.add_word("".join(words), True)
                    self.most_words = max(self.most_words, len(words))
            self.size += bool(_words(folded))
        if self.size:
            self._bounded.make_automaton()
            self._alone.make_automaton()

    def blocks(self, text: str) -> bool:
        """Whether a blocked term is in the text."""
        if not self.size:
            return False
        folded = self._folding.fold(text)
        return any(self._found(reading) for reading in _readings(folded))

    def words(self, text: str) -> list[str]:
        """The words of a text, as terms are compared with them."""
        return _words(self._folding.fold(text))

    def _found(self, reading: str) -> bool:
        words = _words(reading)
        if next(self._bounded.iter(f" {' '.join(words)} "), None) is not None:
            return True
        return any(next(self._alone.iter(run), None) is not None for run in _letters_alone(words))


def _readings(folded: str) -> Iterator[str]:
    """The ways to read a folded text, each at most once."""
    yield folded
    joined = _INNER.sub("", folded)
    if joined != folded:
        yield joined
    if _SIGNED.search(folded):
        lettered = _without_signs(folded)
        yield lettered
        yield _INNER.sub("", lettered)
        bare = _without_signs(_TAIL.sub("", folded))
        if bare != lettered:
            yield bare
            yield _INNER.sub("", bare)


def _without_signs(folded: str) -> str:
    """Figures and signs read as the letters they stand for, in words that have a letter; 455 stays a number."""
    return _SIGNED_WORD.sub(_read_letters, folded)


def _read_letters(word: re.Match[str]) -> str:
    return word[0].translate(_SIGNS) if _LETTER.search(word[0]) else word[0]


def _words(folded: str) -> list[str]:
    return (_ASCII_WORD if folded.isascii() else _ANY_WORD).findall(folded)


def stands_alone(word: str) -> bool:
    """Whether it is read together with its neighbours: a letter of its own, and ß, which has become two."""
    return len(word) == 1 or word == "ss"


def _letters_alone(words: list[str]) -> Iterator[str]:
    """Runs of two or more words that stand alone, as one text each."""
    run: list[str] = []
    for word in words:
        alone = stands_alone(word)
        if alone and len(run) < _MOST_ALONE:
            run.append(word)
            continue
        yield from _read_together(run)
        run = [word] if alone else []
    yield from _read_together(run)


def _read_together(run: list[str]) -> Iterator[str]:
    if len(run) > 1:
        together = "".join(run)
        yield together
        if _SIGNED.search(together):
            yield _SIGNED_WORD.sub(_read_letters, together)
