"""A value that satisfies a JSON schema: what a vendor's structured output gives, without a model.

The language is that of the vendors' strict modes, with the bounds that other servers also know. Keywords outside it
are refused rather than ignored, since an answer that does not validate would be a fault nobody scripted.
"""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from fanzgpt_stack.emulator.calls import CallRefused
from fanzgpt_stack.emulator.formats import formatted, worded
from fanzgpt_stack.emulator.signatures import SIGNATURE_CHARACTERS

Schema = Mapping[str, object]

# Past this depth only what must be there is there; past the next the schema has no finite value that is found here.
_SPARE_DEPTH: Final = 6
_DEEPEST: Final = 48

_REFUSED: Final = frozenset(
    [
        "contains",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "maxContains",
        "maxProperties",
        "minContains",
        "minProperties",
        "not",
        "pattern",
        "patternProperties",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    ]
)
# Bounds that a vendor does not accept as keywords are told to the model in words: `(minItems: 3, maxItems: 3)`.
_TOLD: Final = re.compile(r"\b(minItems|maxItems|minLength|maxLength|minimum|maximum): (-?\d+)\b")


class UnsupportedSchema(CallRefused):
    """No value is made for this schema; the text names the keyword."""


def conforming(schema: Schema, *, seed: int, signature: str) -> object:
    """A JSON value that validates against the schema, the same for the same seed.

    The signature stands in the first string that has room for it. Raises UnsupportedSchema.
    """
    return _Writer(schema, Random(seed), signature).value(schema, 0)  # noqa: S311  # repeatable, not secret


class _Writer:
    def __init__(self, root: Schema, random: Random, signature: str) -> None:
        self._root = root
        self._random = random
        self._signature: str | None = signature

    def value(self, schema: object, depth: int) -> object:
        if schema is True:
            return self._text({})
        if not isinstance(schema, Mapping):
            raise UnsupportedSchema("a schema is an object here")
        if depth > _DEEPEST:
            raise UnsupportedSchema(f"nested more than {_DEEPEST} deep")
        if (refused := _REFUSED.intersection(schema)) and any(schema[name] not in (False, None) for name in refused):
            raise UnsupportedSchema(f"{', '.join(sorted(refused))} is not supported")
        if "$ref" in schema:
            return self.value(self._resolved(schema), depth + 1)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._one_of(schema["enum"], "enum", depth)
        for combined in ("anyOf", "oneOf"):
            if combined in schema:
                return self.value({**_without(schema, combined), **self._branch(schema[combined], depth)}, depth + 1)
        if "allOf" in schema:
            return self.value(_merged(schema), depth + 1)
        return self._of_type(_with_told_bounds(schema), depth)

    def _of_type(self, schema: Schema, depth: int) -> object:
        match self._type(schema, depth):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "string":
                return self._text(schema)
            case "integer":
                return self._number(schema, whole=True)
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return self._random.random() < 0.5
            case "null":
                return None
            case other:
                raise UnsupportedSchema(f"type {other!r:.40} is not supported")

    def _type(self, schema: Schema, depth: int) -> object:
        named = schema.get("type")
        if isinstance(named, Sequence) and not isinstance(named, str):
            return "null" if depth > _SPARE_DEPTH and "null" in named else self._one_of(named, "type", depth)
        if named is not None:
            return named
        if "properties" in schema or "required" in schema:
            return "object"
        if "items" in schema or "prefixItems" in schema:
            return "array"
        if schema.keys() & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}:
            return "number"
        return "string"

    def _object(self, schema: Schema, depth: int) -> dict[str, object]:
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        if not isinstance(properties, Mapping) or not isinstance(required, Sequence):
            raise UnsupportedSchema("properties is an object and required a list")
        additional = schema.get("additionalProperties", True)
        missing = [name for name in required if name not in properties]
        if missing and additional is False:
            raise UnsupportedSchema(f"{missing[0]!r:.40} is required but not allowed")
        wanted = {
            name: inner
            for name, inner in properties.items()
            if name in required or (depth <= _SPARE_DEPTH and inner is not False)
        }
        wanted |= dict.fromkeys(missing, additional)
        return {str(name): self.value(inner, depth + 1) for name, inner in wanted.items()}

    def _array(self, schema: Schema, depth: int) -> list[object]:
        prefix = schema.get("prefixItems", ())
        if not isinstance(prefix, Sequence):
            raise UnsupportedSchema("prefixItems is a list")
        items = schema.get("items", True)
        least = _whole(schema, "minItems", 0)
        most = _whole(schema, "maxItems", max(least, len(prefix), 3))
        if items is False:
            most = min(most, len(prefix))
        if least > most:
            raise UnsupportedSchema("no list has so many items")
        usual = least if depth > _SPARE_DEPTH else max(least, min(most, max(1, len(prefix))))
        count = self._random.randint(usual, max(usual, min(most, usual + 2))) if depth <= _SPARE_DEPTH else least
        inner = [*prefix[:count], *[items] * (count - len(prefix))]
        return [self.value(item, depth + 1) for item in inner]

    def _text(self, schema: Schema) -> str:
        least = _whole(schema, "minLength", 0)
        most = _whole(schema, "maxLength", max(60, least))
        if least > most:
            raise UnsupportedSchema("no text has such a length")
        named = schema.get("format")
        if isinstance(named, str) and (text := formatted(named, self._random)) is not None:
            if not least <= len(text) <= most:
                raise UnsupportedSchema(f"no {named} has such a length")
            return text
        opening = ""
        if self._signature is not None and most >= SIGNATURE_CHARACTERS:
            opening, self._signature = self._signature, None
        return worded(opening, least, most, self._random)

    def _number(self, schema: Schema, *, whole: bool) -> int | float:
        step = _bound(schema, "multipleOf")
        low, high = _range(schema, step or (1 if whole else 0.001))
        if step is None and not whole:
            return round(self._random.uniform(low, high), 3) if high - low >= 0.01 else low
        unit = step or 1
        if whole and unit != int(unit):
            raise UnsupportedSchema("multipleOf of an integer is an integer")
        first, last = -int(-low // unit), int(high // unit)
        if first > last:
            raise UnsupportedSchema("no number is within the bounds")
        number = self._random.randint(first, last) * unit
        return int(number) if whole else number

    def _branch(self, branches: object, depth: int) -> Schema:
        if not isinstance(branches, Sequence) or not branches:
            raise UnsupportedSchema("anyOf is a list of schemas")
        usable = [branch for branch in branches if isinstance(branch, Mapping)]
        if depth > _SPARE_DEPTH:  # the way out of a schema that contains itself is the branch that does not
            usable.sort(key=_refers)
            return usable[0]
        return self._random.choice(usable)

    def _one_of(self, values: object, keyword: str, depth: int) -> object:
        if not isinstance(values, Sequence) or not values:
            raise UnsupportedSchema(f"{keyword} is a list with entries")
        return values[0] if depth > _SPARE_DEPTH else self._random.choice(values)

    def _resolved(self, schema: Schema) -> Schema:
        reference = schema["$ref"]
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise UnsupportedSchema("$ref points into the schema itself")
        found: object = self._root
        for step in reference[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise UnsupportedSchema(f"$ref {reference!r:.60} points nowhere")
        return {**found, **_without(schema, "$ref")}


def _without(schema: Schema, keyword: str) -> dict[str, object]:
    return {name: value for name, value in schema.items() if name != keyword}


def _merged(schema: Schema) -> Schema:
    parts = schema["allOf"]
    if not isinstance(parts, Sequence) or len(parts) != 1 or not isinstance(parts[0], Mapping):
        raise UnsupportedSchema("allOf with other than one schema is not supported")
    return {**_without(schema, "allOf"), **parts[0]}


def _refers(schema: Schema) -> int:
    return 0 if schema.get("type") == "null" else str(schema).count("$ref") + 1


def _with_told_bounds(schema: Schema) -> Schema:
    description = schema.get("description")
    if not isinstance(description, str):
        return schema
    return {**{name: int(number) for name, number in _TOLD.findall(description)}, **schema}


def _whole(schema: Schema, keyword: str, default: int) -> int:
    value = schema.get(keyword, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 0:
        raise UnsupportedSchema(f"{keyword} is a whole number from 0")
    return int(value)


def _bound(schema: Schema, keyword: str) -> int | float | None:
    value = schema.get(keyword)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnsupportedSchema(f"{keyword} is a number")
    return value


def _range(schema: Schema, unit: float) -> tuple[float, float]:
    """The closed range of the numbers that are allowed, at most a thousand units wide."""
    lows = [low for low in (_bound(schema, "minimum"), _above(schema, unit)) if low is not None]
    highs = [high for high in (_bound(schema, "maximum"), _below(schema, unit)) if high is not None]
    low = max(lows) if lows else None
    high = min(highs) if highs else None
    width = 1_000 * unit
    if low is None:
        low = 0 if high is None or high >= 0 else high - width
    if high is None:
        high = low + width
    if low > high:
        raise UnsupportedSchema("no number is within the bounds")
    return low, high


def _above(schema: Schema, unit: float) -> float | None:
    bound = _bound(schema, "exclusiveMinimum")
    return None if bound is None else bound + unit


def _below(schema: Schema, unit: float) -> float | None:
    bound = _bound(schema, "exclusiveMaximum")
    return None if bound is None else bound - unit
