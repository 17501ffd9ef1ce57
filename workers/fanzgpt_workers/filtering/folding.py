"""One spelling for what looks the same: the key that texts and terms are compared by, never shown and never sent on.

After UTS #39: compatibility forms (NFKC), case, invisible characters, combining marks and look-alike letters are
folded away. Look-alikes come from the Unicode confusables as the package confusable-homoglyphs ships them; the pair
m / rn is left out, because "modern" would be "modem". Every step is linear in the text.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

# Invisible letters: Default_Ignorable_Code_Point without the format characters and marks, which go by their category.
_INVISIBLE_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2065\u2800")
_DROPPED: Final = frozenset({"Cf", "Mn", "Me", "Cc", "Co", "Cn"})
_LATIN_NAME: Final = re.compile(r"LATIN (?:SMALL|CAPITAL|LETTER SMALL CAPITAL)(?: LETTER)? ([A-Z])(?: WITH .+)?$")
_MARK: Final = "\u200e"


class Folding:
    """Folds texts to keys; characters are looked up once and remembered."""

    def __init__(self) -> None:
        """Read the table of look-alikes, in some 30 ms."""
        self._table = _Table(_look_alikes())

    def fold(self, text: str) -> str:
        """The text in lower case, as it looks to a quick eye; white space and punctuation are kept."""
        if text.isascii():
            return text.lower()
        shown = unicodedata.normalize("NFKC", text).translate(self._table).casefold()
        return unicodedata.normalize("NFKD", shown).translate(self._table)


class _Table(dict[int, str]):
    """What becomes of each character, decided when it is first met."""

    def __init__(self, look_alikes: Mapping[str, str]) -> None:
        super().__init__()
        self._look_alikes = look_alikes

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = self[code] = self._folded(character)
        return folded

    def _folded(self, character: str) -> str:
        if character.isascii():
            return character
        if character in _INVISIBLE_LETTERS or unicodedata.category(character) in _DROPPED:
            return ""
        if character.isspace():
            return " "
        plain = unicodedata.normalize("NFKD", character)[:1]
        for form in (character, plain, plain.casefold()):
            if form.isascii() and form.isalnum():
                return form
            if form in self._look_alikes:
                return self._look_alikes[form]
        named = _LATIN_NAME.match(unicodedata.name(character, ""))
        return named[1].lower() if named else character


def _look_alikes() -> dict[str, str]:
    """The ASCII letters or digits that each single character is confused with."""
    table = json.loads(files("confusable_homoglyphs").joinpath("confusables.json").read_text("utf-8"))
    alike: dict[str, str] = {}
    for written, others in table.items():
        character = written.strip(_MARK)
        if len(character) != 1 or character.isascii():
            continue
        plain = [other["c"].strip(_MARK) for other in others]
        letters = [other for other in plain if other.isascii() and other.isalnum()]
        if letters:
            alike[character] = min(letters, key=len).lower()
        else:
            small = next((_LATIN_NAME.match(unicodedata.name(other, "")) for other in plain if len(other) == 1), None)
            if small:
                alike[character] = small[1].lower()
    return alike
