"""What a JSON Schema takes, as a list of alternatives: unions, enumerations and references taken apart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Schema = Mapping[str, Any]

# A number is also what an integer is; so whoever takes numbers takes integers.
_COVERED: Final = {"number": ("number", "integer")}
_EVERYTHING: Final = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_NAMES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array"}
_ANY_VALUE: Final = object()


@dataclass(frozen=True, slots=True)
class Alternative:
    """One thing a schema takes: a constant, an object of one kind, or any value of one type within bounds."""

    schema: Schema

    @property
    def kinds(self) -> frozenset[str]:
        """The JSON types that it may be of."""
        if "const" in self.schema:
            return frozenset({_NAMES.get(type(self.schema["const"]), "object")})
        given = self.schema.get("type")
        return _EVERYTHING if given is None else frozenset(_COVERED.get(given, (given,)))

    @property
    def tag(self) -> str | None:
        """The constant in an object's `type` field: it tells the members of a union apart."""
        field = self.schema.get("properties", {}).get("type", {})
        tag = field.get("const")
        return tag if isinstance(tag, str) else None

    def fits(self, other: "Alternative") -> bool:
        """Whether the other could take all of this, bounds and fields aside."""
        wanted = other.schema.get("const", _ANY_VALUE)
        if wanted is not _ANY_VALUE and self.schema.get("const", _ANY_VALUE) != wanted:
            return False
        if self.tag != other.tag and other.tag is not None:
            return False
        return self.kinds <= other.kinds

    def __str__(self) -> str:
        """Render for a message: `'retry'`, `string`, `object (type 'social-post')`."""
        if "const" in self.schema:
            return repr(self.schema["const"])
        if self.tag is not None:
            return f"object (type {self.tag!r})"
        return "anything" if self.kinds == _EVERYTHING else str(self.schema["type"])


def alternatives(schema: Schema, root: Schema) -> list[Alternative]:
    """Everything that `schema`, a part of the document `root`, takes.

    Keywords beside a union count for each of its members. A reference is followed once: a schema that holds itself
    would have to be described without end, and none of ours does.
    """
    return [Alternative(part) for part in _parts(schema, root)]


def _parts(schema: Schema, root: Schema) -> Iterator[Schema]:
    if "$ref" in schema:
        target = _followed(schema["$ref"], root)
        yield from _parts({**target, **_without(schema, "$ref")}, root)
        return
    for union in ("anyOf", "oneOf"):
        if union in schema:
            beside = _without(schema, union, "discriminator", "default", "title", "description")
            for member in schema[union]:
                yield from _parts({**beside, **member}, root)
            return
    if "enum" in schema:
        for value in schema["enum"]:
            yield from _parts({**_without(schema, "enum"), "const": value}, root)
        return
    if "const" in schema:
        yield _bounded_by_value(schema)
        return
    if isinstance(schema.get("type"), list):
        for kind in schema["type"]:
            yield {**schema, "type": kind}
        return
    yield schema


def _bounded_by_value(schema: Schema) -> Schema:
    """A constant is as long and as large as it is, which decides whether others' bounds take it."""
    value = schema["const"]
    if isinstance(value, str):
        return {**schema, "minLength": len(value), "maxLength": len(value)}
    if isinstance(value, int | float):
        return {**schema, "minimum": value, "maximum": value}
    return schema


def _followed(reference: str, root: Schema) -> Schema:
    at: Any = root
    for step in reference.removeprefix("#/").split("/"):
        at = at[step.replace("~1", "/").replace("~0", "~")]
    followed: Schema = at
    return followed


def _without(schema: Schema, *names: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name not in names}
