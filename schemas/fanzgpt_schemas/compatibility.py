"""Which changes of an event's JSON Schema break somebody. A pure comparison of two schemas.

A message lives longer than the release that wrote it, and other services are released when they please. So a change is
looked at from two sides:

- the *reader's*: a message that was right under the old schema is refused, or means something else, under the new one;
- the *writer's*: a message that is right under the new schema is refused by whoever still reads with the old one.

Both ends ignore fields that they do not know, so a new optional field breaks nobody.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from fanzgpt_schemas.alternatives import Alternative, alternatives

Schema = Mapping[str, Any]
Side = Literal["reader", "writer"]
Finding = tuple[str, str]

LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
EXACT: Final = ("pattern", "format", "multipleOf", "uniqueItems")
PROSE: Final = ("title", "description", "examples", "default", "discriminator", "$defs", "$id", "$schema")
STRUCTURE: Final = ("type", "const", "properties", "required", "additionalProperties", "items", "prefixItems")
UNDERSTOOD: Final = frozenset({*LOWER_BOUNDS, *UPPER_BOUNDS, *EXACT, *PROSE, *STRUCTURE})
NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One change that breaks somebody: whom, at which field, and how."""

    side: Side
    field: str
    reason: str

    def __str__(self) -> str:
        """Render as one line."""
        return f"{self.field or '(event)'}: {self.reason} ({self.side}'s side)"


def breaking_changes(old: Schema, new: Schema) -> tuple[Break, ...]:
    """Every breaking change on the way from a released schema to a newer one, each once.

    A keyword that the comparison does not understand counts as broken where it differs: better asked than missed.
    """
    before, after = _Document(old), _Document(new)
    reader = [*_narrowed(before, after, ""), *_meant_otherwise(before, after, "")]
    writer = [*_narrowed(after, before, "")]
    return (
        *(Break(side="reader", field=at, reason=f"now {what}") for at, what in dict.fromkeys(reader)),
        *(Break(side="writer", field=at, reason=f"until now {what}") for at, what in dict.fromkeys(writer)),
    )


@dataclass(frozen=True, slots=True)
class _Document:
    """A schema, or a part of one, with the document that its references speak of."""

    schema: Schema
    root: Schema | None = None

    def at(self, schema: Schema) -> "_Document":
        return _Document(schema, self.root or self.schema)

    def alternatives(self) -> list[Alternative]:
        return alternatives(self.schema, self.root or self.schema)


def _narrowed(wide: _Document, strict: _Document, at: str) -> Iterator[Finding]:
    """Where `strict` refuses what `wide` takes."""
    taken = strict.alternatives()
    for one in wide.alternatives():
        fitting = [other for other in taken if one.fits(other)]
        if fitting:
            ways = [list(_alternative_narrowed(wide.at(one.schema), strict.at(other.schema), at)) for other in fitting]
            yield from min(ways, key=len)
        else:
            yield at, f"refuses {one}; takes {', '.join(map(str, taken))}"


def _alternative_narrowed(wide: _Document, strict: _Document, at: str) -> Iterator[Finding]:
    loose, tight = wide.schema, strict.schema
    for bound in LOWER_BOUNDS:
        if bound in tight and not (bound in loose and loose[bound] >= tight[bound]):
            yield at, f"asks for {bound} {tight[bound]}, beside {loose.get(bound, 'none')}"
    for bound in UPPER_BOUNDS:
        if bound in tight and not (bound in loose and loose[bound] <= tight[bound]):
            yield at, f"asks for {bound} {tight[bound]}, beside {loose.get(bound, 'none')}"
    for keyword in (*EXACT, *sorted(tight.keys() - UNDERSTOOD)):
        if keyword in tight and loose.get(keyword) != tight[keyword]:
            yield at, f"asks for {keyword} {tight[keyword]}, beside {loose.get(keyword, 'none')}"
    for name in sorted(set(tight.get("required", ())) - set(loose.get("required", ()))):
        yield _under(at, name), "is required"
    yield from _properties_narrowed(wide, strict, at)
    yield from _items_narrowed(wide, strict, at)


def _properties_narrowed(wide: _Document, strict: _Document, at: str) -> Iterator[Finding]:
    named, asked = wide.schema.get("properties", {}), strict.schema.get("properties", {})
    free, rest = wide.schema.get("additionalProperties"), strict.schema.get("additionalProperties", True)
    for name in sorted(named.keys() & asked.keys()):
        yield from _narrowed(wide.at(named[name]), strict.at(asked[name]), _under(at, name))
    if free not in (None, False):
        # Open by its own word: whoever used that freedom is now told what may stand there.
        for name in sorted(asked.keys() - named.keys()):
            yield from _narrowed(wide.at(_schema(free)), strict.at(asked[name]), _under(at, name))
    if rest is False:
        for name in sorted(named.keys() - asked.keys()):
            yield _under(at, name), "is refused"
        if free is not False:
            yield at, "refuses fields it does not name"
    elif rest is not True:
        for name in sorted(named.keys() - asked.keys()):
            yield from _narrowed(wide.at(named[name]), strict.at(rest), _under(at, name))
        if free is not False:
            yield from _narrowed(wide.at(_schema(free)), strict.at(rest), _under(at, "*"))


def _items_narrowed(wide: _Document, strict: _Document, at: str) -> Iterator[Finding]:
    places, asked = wide.schema.get("prefixItems", ()), strict.schema.get("prefixItems", ())
    for index, (one, other) in enumerate(zip(places, asked, strict=False)):
        yield from _narrowed(wide.at(one), strict.at(other), _under(at, str(index)))
    if "items" in strict.schema:
        yield from _narrowed(wide.at(wide.schema.get("items", {})), strict.at(strict.schema["items"]), _under(at, "[]"))


def _meant_otherwise(old: _Document, new: _Document, at: str) -> Iterator[Finding]:
    """Where the new schema takes an old message, but reads something else out of it."""
    taken = new.alternatives()
    for one in old.alternatives():
        fitting = [other for other in taken if one.fits(other) or other.fits(one)]
        ways = [list(_parts_meant_otherwise(old.at(one.schema), new.at(other.schema), at)) for other in fitting]
        yield from min(ways, key=len, default=[])


def _parts_meant_otherwise(old: _Document, new: _Document, at: str) -> Iterator[Finding]:
    before, after = old.schema.get("properties", {}), new.schema.get("properties", {})
    for name in sorted(before.keys() - after.keys()):
        yield _under(at, name), "is not read"
    for name in sorted(before.keys() & after.keys()):
        was, is_now = before[name].get("default", NOTHING), after[name].get("default", NOTHING)
        if was != is_now:
            yield _under(at, name), f"means {is_now!r} where it is left out, not {was!r}"
        yield from _meant_otherwise(old.at(before[name]), new.at(after[name]), _under(at, name))
    if "items" in old.schema and "items" in new.schema:
        yield from _meant_otherwise(old.at(old.schema["items"]), new.at(new.schema["items"]), _under(at, "[]"))


def _schema(given: Schema | bool | None) -> Schema:
    return given if isinstance(given, Mapping) else {}


def _under(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name
