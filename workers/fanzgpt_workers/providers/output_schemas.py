"""What of a JSON schema each endpoint accepts.

Our schemas use the smallest common language (closed objects, every property required) and bound their strings and
arrays, without which a small local model never comes to an end. The hosted providers refuse some of these bounds, and
need none of them: there the bound moves into the description, and the answer is checked when it is read.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

# https://platform.openai.com/docs/guides/structured-outputs: strings have `pattern` and `format` but no lengths.
REFUSED_BY_OPENAI: Final = frozenset({"minLength", "maxLength"})
# Anthropic's documentation and SDK: no lengths, no ranges, and of array bounds only minItems 0 or 1.
REFUSED_BY_ANTHROPIC: Final = frozenset({"minLength", "maxLength", "maxItems", "minimum", "maximum", "pattern"})


def without(schema: Mapping[str, JsonValue], refused: frozenset[str]) -> dict[str, JsonValue]:
    """The schema without the refused keywords, each told in words instead. Property names are never touched."""
    kept: dict[str, JsonValue] = {}
    told: list[str] = []
    for keyword, value in schema.items():
        if keyword in refused or (keyword == "minItems" and "maxItems" in refused and value not in {0, 1}):
            told.append(f"{keyword}: {value}")
        elif keyword == "properties" and isinstance(value, dict):
            kept[keyword] = {name: _tailored(inner, refused) for name, inner in value.items()}
        elif keyword == "items":
            kept[keyword] = _tailored(value, refused)
        else:
            kept[keyword] = value
    if told:
        description = kept.get("description")
        words = [description] if isinstance(description, str) else []
        kept["description"] = " ".join([*words, f"({', '.join(told)})"])
    return kept


def _tailored(schema: JsonValue, refused: frozenset[str]) -> JsonValue:
    return without(schema, refused) if isinstance(schema, dict) else schema
