"""One call of a language model, as both vendors ask for it and as it is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Vendor = Literal["openai", "anthropic"]
Finish = Literal["stop", "length", "content-filter", "refusal", "tool"]

JsonObject = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked for.

    `seed` is a hash of the body: the same body gets the same words. `schema` is that of the answer's JSON, or of the
    input of the tool named `tool`. `request_id` and `attempt_id` are the caller's own, from its headers.
    """

    vendor: Vendor
    path: str
    model: str
    stream: bool
    stream_usage: bool
    max_tokens: int | None
    input_tokens: int
    schema: JsonObject | None
    tool: str | None
    seed: int
    request_id: str | None
    attempt_id: str | None
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """Which of an answer's tokens are of a kind with a price of its own, and the tier that it is charged at.

    Cached and audio tokens are parts of the input and of the output; those written for an hour of those written.
    """

    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    input_audio: int = 0
    output_audio: int = 0
    tier: Literal["flex", "priority", "batch"] | None = None


PLAIN: Final = Kinds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered. `text` is the JSON of the tool's input where a tool was asked for."""

    text: str
    finish: Finish
    input_tokens: int
    output_tokens: int
    kinds: Kinds = PLAIN


class CallRefused(Exception):
    """A request that the vendor would refuse with 400."""


def text_tokens(text: str) -> int:
    """The tokens of a text, as they are counted here: one per four characters begun."""
    return (len(text) + 3) // 4


def content_characters(content: object) -> int:
    """The characters of a message's content: a text, or blocks of which some hold texts."""
    if isinstance(content, str):
        return len(content)
    if isinstance(content, Sequence):
        return sum(len(block["text"]) for block in content if _is_text(block))
    return 0


def member(value: object, name: str) -> object:
    """A member of a JSON object, None where there is none."""
    return value.get(name) if isinstance(value, dict) else None


def _is_text(block: object) -> bool:
    return isinstance(block, dict) and isinstance(block.get("text"), str)
