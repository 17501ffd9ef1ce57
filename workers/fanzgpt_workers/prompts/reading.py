"""From a model's text to the contract's answer object, or to the words that say why it is none.

The words of a refusal are shown to the model in a repair turn and to people in a failed event: they never quote the
answer. A text cut off at the token limit is accepted where text was asked for (the completion's `finishReason` says
`length`); half a JSON never is.
"""

import re
from collections.abc import Mapping
from typing import Final

import orjson
from pydantic import JsonValue, ValidationError

from fanzgpt_schemas.base import JsonObject
from fanzgpt_schemas.outputs import OUTPUTS
from fanzgpt_schemas.requests import GenerationType
from fanzgpt_workers.errors import OutputRefused
from fanzgpt_workers.ports import Completion

_THINKING: Final = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_FENCE: Final = re.compile(r"```[A-Za-z]*[ \t]*\n(.*?)\n?```", re.DOTALL)
_QUOTES: Final[Mapping[str, str]] = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'"}
_MOST_PROBLEMS: Final = 5


def plain(completion: Completion) -> str:
    """The text itself: without a fence or quotation marks around all of it, and with U+FFFD for U+0000."""
    text = _unfenced(completion)
    closing = _QUOTES.get(text[0])
    if closing is not None and len(text) > 1 and text[-1] == closing:
        within = text[1:-1]
        if text[0] not in within and closing not in within:
            text = within.strip()
    return text or _empty(completion)


def json_object(completion: Completion) -> JsonObject:
    """The JSON object that the text is."""
    text = _unfenced(completion)
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if completion.finish_reason == "length":
            raise OutputRefused("the JSON was cut off at the token limit; answer with fewer words") from None
        raise OutputRefused(f"the answer is not JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(value, dict):
        raise OutputRefused("the answer is JSON but no object")
    return value


def checked(generation_type: GenerationType, output: Mapping[str, object]) -> Mapping[str, JsonValue]:
    """The answer object as the contract has it; raises OutputRefused naming the fields that are wrong."""
    try:
        return OUTPUTS[generation_type].model_validate(output).wire()
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        told = "; ".join(f"{_place(problem['loc'])}: {problem['msg']}" for problem in problems[:_MOST_PROBLEMS])
        raise OutputRefused(f"the answer is not of the asked shape: {told}") from None


def tidy(value: object) -> object:
    """Texts stripped and without U+0000, at any depth; other values as they are."""
    match value:
        case str():
            return value.replace("\0", "\ufffd").strip()
        case list():
            return [tidy(item) for item in value]
        case dict():
            return {name: tidy(item) for name, item in value.items()}
        case _:
            return value


def _unfenced(completion: Completion) -> str:
    if completion.finish_reason in {"refusal", "content-filter"}:
        why = (
            "the model refused" if completion.finish_reason == "refusal" else "the provider's content filter stopped it"
        )
        raise OutputRefused(f"{why} (finish reason {completion.finish_reason})", repairable=False)
    text = completion.text
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if "<think>" in text[:64]:
        text = _THINKING.sub("", text, count=1)
    text = text.strip()
    if text.startswith("```") and (fenced := _FENCE.fullmatch(text)) is not None:
        text = fenced[1].strip()
    return text or _empty(completion)


def _empty(completion: Completion) -> str:
    spent = " before the token limit was reached" if completion.finish_reason == "length" else ""
    raise OutputRefused(f"the answer holds no text{spent}")


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:40] for part in location) or "answer"
