"""One call of a language model, as both vendors ask for it and as it is answered."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Vendor = Literal["openai", "anthropic"]
Finish = Literal["stop", "length", "content-filter", "refusal", "tool"]

JsonObject = Mapping[str, object]

TOKENS_PER_IMAGE: Final = 85
IMAGE_BLOCKS: Final = frozenset({"image_url", "image"})
IMAGE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_IMAGE_URL: Final = re.compile(r"https?://|data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+=*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked for.

    `seed` is a hash of the body: the same body gets the same words. `schema` is that of the answer's JSON, or of the
    input of the tool named `tool`. `request_id` and `attempt_id` are the caller's own, from its headers. `speech` is
    the format of the audio that is wanted instead of a text, of so many `characters`. `stored` is the metadata with
    which the answer is to be kept; None where it is not.
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
    speech: str | None = None
    characters: int = 0
    stored: Mapping[str, str] | None = None


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


def image_tokens(content: object) -> int:
    """The tokens of the images in a message's content: OpenAI's flat price of one that is looked at coarsely."""
    if not isinstance(content, list):
        return 0
    return TOKENS_PER_IMAGE * sum(member(block, "type") in IMAGE_BLOCKS for block in content)


def check_images(content: object) -> None:
    """Raise CallRefused for an image that no vendor could read: neither a web address nor base64 of its kind."""
    for block in content if isinstance(content, list) else ():
        if member(block, "type") == "image_url":
            url = member(member(block, "image_url"), "url")
            if not isinstance(url, str) or _IMAGE_URL.match(url) is None:
                raise CallRefused("Invalid image URL. Expected a valid URL or base64-encoded data URL.")
        elif member(block, "type") == "image":
            source = member(block, "source")
            kind, data, url = (member(source, name) for name in ("type", "data", "url"))
            inline = kind == "base64" and isinstance(data, str) and member(source, "media_type") in IMAGE_TYPES
            if not inline and not (kind == "url" and isinstance(url, str)):
                raise CallRefused("messages.0.content.0.image.source: Input should be a base64 or url source")


def member(value: object, name: str) -> object:
    """A member of a JSON object, None where there is none."""
    return value.get(name) if isinstance(value, dict) else None


def _is_text(block: object) -> bool:
    return isinstance(block, dict) and isinstance(block.get("text"), str)
