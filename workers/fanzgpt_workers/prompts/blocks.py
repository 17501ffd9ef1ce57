"""People's text in a prompt: data between delimiters, never instruction.

A block is `<topic>…</topic>`. Within it every `<` that could begin one of our delimiters, or a control token of a chat
template (`<|im_end|>`, `<start_of_turn>`, `[INST]`), is replaced by its typographic twin `‹` (`⟦` for `[`), which reads
the same to a model and means nothing to a tokenizer. Everything else stays as it was written.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

TAGS: Final = (
    "topic",
    "platform",
    "relationship",
    "context",
    "style",
    "timeframe",
    "dates",
    "preferences",
    "figures",
    "note",
    "analysis_type",
)

# Letters may be kept apart from the `<` by spaces or invisible characters and still look like a delimiter.
_UNSEEN: Final = r"[\s\u00ad\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]*"
_CONTROL: Final = (
    "start_of_turn",
    "end_of_turn",
    "begin_of_text",
    "eot_id",
    "s",
    "system",
    "assistant",
    "user",
    "bos",
    "eos",
)
_OPENING: Final = re.compile(
    rf"<(?={_UNSEEN}/?{_UNSEEN}(?:{'|'.join((*TAGS, *_CONTROL))})(?![a-z]))|<(?={_UNSEEN}[|｜])|<(?=<{_UNSEEN}/?SYS)",
    re.IGNORECASE,
)
_INSTRUCTION: Final = re.compile(rf"\[(?={_UNSEEN}/?{_UNSEEN}(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS)\b)", re.IGNORECASE)


def inert(text: str) -> str:
    """The text with nothing in it that could end its block or speak for somebody else; U+0000 becomes U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if "<" in text:
        text = _OPENING.sub("‹", text)
    if "[" in text:
        text = _INSTRUCTION.sub("⟦", text)
    return text


def block(tag: str, value: JsonValue) -> str:
    """A delimited block; nothing for a value that was not given. Objects are shown as JSON, keys in their own order."""
    if value is None or value in ("", {}, []):
        return ""
    text = value if isinstance(value, str) else _json(value)
    return f"<{tag}>\n{inert(text)}\n</{tag}>\n"


def lines(wishes: Mapping[str, JsonValue]) -> str:
    """Wishes as `name: value` lines, for a block; names and values may be any text."""
    return "\n".join(f"{name}: {_shown(value)}" for name, value in wishes.items() if value is not None)


def _shown(value: JsonValue) -> str:
    return " ".join(value.split()) if isinstance(value, str) else _json(value)


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
