"""How much of a text that still grows may be shown, so that no blocked term leaves in parts.

What is held back is the end: the word that may still go on, and before it as many whole words as the longest term has,
reaching back to a word that breaks every run of letters that stand alone. A term that begins in what is shown would
then end within the whole words that are here already, and would have been found.
"""

import re
from typing import Final

from fanzgpt_workers.filtering.terms import TermFilter, stands_alone

# White space that no folding ever takes away: what stands between is read apart from its neighbours.
_SPACE: Final = re.compile(r"[ \t\n\r]+")


def releasable(terms: TermFilter, text: str, released: int) -> int:
    """The length of the beginning that may be shown, whatever follows; never less than `released`.

    `released` is the last answer for the same text when it was shorter: what stands before it is not read again, so
    that a text is read once, however many pieces it comes in. From a blocked term on nothing more is shown.
    """
    if not terms.size:
        return len(text)
    ends = [space.start() for space in _SPACE.finditer(text, released)]
    if not ends or terms.blocks(text[released : ends[-1]]):
        return released
    whole, broken = 0, False
    for end, begin in zip(reversed(ends), [*reversed(ends[:-1]), released], strict=True):
        if whole >= terms.most_words and broken:
            return end
        words = terms.words(text[begin:end])
        whole += bool(words)
        broken = broken or (bool(words) and not any(map(stands_alone, words)))
    return released
