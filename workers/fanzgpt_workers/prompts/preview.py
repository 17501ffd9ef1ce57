"""A text as far as it has come, in the shape that `reading.plain` will give the whole of it."""

import re
from typing import Final

_OPENING: Final = "<think>"
_CLOSING: Final = "</think>"
_FENCE: Final = re.compile(r"```[A-Za-z]*[ \t]*\n")
_QUOTES: Final = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'"}


def preview(text: str) -> str:
    """What may be shown of it: without a model's thinking, and without a fence or quotation marks around all of it.

    Each preview of a growing text begins with the one before it. The whole answer may differ from the last one in its
    last characters, or where quotation marks turned out to belong to it.
    """
    text = _without_thinking(text).replace("\0", "\ufffd").lstrip()
    if "```".startswith(text[:3]):
        fence = _FENCE.match(text)
        if fence is None:
            return ""
        return text[fence.end() :].lstrip().rstrip().rstrip("`").rstrip()
    closing = _QUOTES.get(text[:1])
    if closing is not None:
        text = text[1:].lstrip().rstrip().removesuffix(closing)
    return text.rstrip()


def _without_thinking(text: str) -> str:
    begin = text.find(_OPENING)
    if begin < 0:
        return _without_beginning_of(_OPENING, text)
    end = text.find(_CLOSING, begin)
    return text[:begin] if end < 0 else text[:begin] + text[end + len(_CLOSING) :]


def _without_beginning_of(mark: str, text: str) -> str:
    for length in range(min(len(mark) - 1, len(text)), 0, -1):
        if text.endswith(mark[:length]):
            return text[:-length]
    return text
