"""The JSON schemas of the answers that are more than text.

Closed objects with every property required, nothing but `type`, `items`, `properties` and bounds: what OpenAI's strict
mode, Anthropic's structured output and llama.cpp's grammars have in common. Every string and array is bounded, so that
the smallest local model comes to an end.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Final

from pydantic import JsonValue

from fanzgpt_workers.ports import OutputSchema
from fanzgpt_workers.prompts.timeframe import MOST_DATES

# A week's calendar of such lines fits the 512 tokens at which the smallest local model is stopped.
_LINE_CHARACTERS: Final = 120
_LABEL_CHARACTERS: Final = 24


@lru_cache(maxsize=32)
def starters(count: int) -> OutputSchema:
    """`{"starters": [...]}` with exactly `count` entries."""
    return OutputSchema(
        name="conversation_starters",
        schema=_object(starters={"type": "array", "items": _text(), "minItems": count, "maxItems": count}),
    )


@lru_cache(maxsize=64)
def dated_calendar(dates: tuple[date, ...]) -> OutputSchema:
    """`{"2026-12-01": {"platform", "idea"}, ...}`: one member per date, so that no date can be wrong or missing."""
    entry = _object(platform=_text(_LABEL_CHARACTERS), idea=_text())
    return OutputSchema(name="content_calendar", schema=_object(**{day.isoformat(): entry for day in dates}))


@lru_cache(maxsize=1)
def open_calendar() -> OutputSchema:
    """`{"entries": [{"date", "platform", "idea"}]}`, for a timeframe whose dates the model has to choose."""
    entry = _object(date={"type": "string", "format": "date"}, platform=_text(_LABEL_CHARACTERS), idea=_text())
    entries: dict[str, JsonValue] = {"type": "array", "items": entry, "minItems": 1, "maxItems": MOST_DATES}
    return OutputSchema(name="open_content_calendar", schema=_object(entries=entries))


@lru_cache(maxsize=1)
def analysis() -> OutputSchema:
    """`{"summary", "insights": [...], "recommendations": [...]}`, one to four of each list."""
    few: dict[str, JsonValue] = {"type": "array", "items": _text(), "minItems": 1, "maxItems": 4}
    return OutputSchema(
        name="performance_analysis",
        schema=_object(summary=_text(3 * _LINE_CHARACTERS), insights=few, recommendations=few),
    )


def _text(characters: int = _LINE_CHARACTERS) -> dict[str, JsonValue]:
    return {"type": "string", "minLength": 1, "maxLength": characters}


def _object(**properties: dict[str, JsonValue]) -> dict[str, JsonValue]:
    required: Sequence[JsonValue] = list(properties)
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }
