"""The comparison catches every kind of breaking change, and cries wolf at none that is harmless."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fanzgpt_schemas.compatibility import breaking_changes
from fanzgpt_schemas.release import event_specs, schema_of

EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["user"],
    "properties": {
        "user": {"type": "string", "minLength": 1, "maxLength": 10},
        "count": {"type": "integer", "minimum": 1, "maximum": 20, "default": 5},
        "cost": {"type": "number"},
        "reason": {"enum": ["a", "b"], "type": "string"},
        "kind": {"const": "post", "type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "url": {"type": "string", "pattern": "^https://", "format": "uri"},
        "data": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Json"}},
        "turns": {"type": "array", "items": {"$ref": "#/$defs/Turn"}, "maxItems": 3},
        "pair": {
            "type": "array",
            "prefixItems": [{"type": "string"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
        },
    },
    "$defs": {
        "Json": {},
        "Turn": {
            "type": "object",
            "required": ["text"],
            "properties": {"text": {"type": "string"}, "role": {"type": "string"}},
        },
    },
}
UNION: dict[str, Any] = {
    "oneOf": [{"$ref": "#/$defs/Post"}, {"$ref": "#/$defs/Chat"}],
    "discriminator": {"propertyName": "type"},
    "$defs": {
        "Post": {
            "type": "object",
            "properties": {"type": {"const": "post"}, "topic": {"type": "string"}},
            "required": ["type", "topic"],
        },
        "Chat": {
            "type": "object",
            "properties": {"type": {"const": "chat"}, "text": {"type": "string"}},
            "required": ["type"],
        },
    },
}
GONE = object()


def named(value: object) -> str:
    """The same name in every process."""
    return "gone" if value is GONE else " and ".join(sorted(value)) if isinstance(value, set) else str(value)


def changed(schema: dict[str, Any], where: str, value: object) -> dict[str, Any]:
    """The schema with one place in it (`properties/user/maxLength`) exchanged, added or removed."""
    result = deepcopy(schema)
    *way, last = where.split("/")
    at: Any = result
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if value is GONE:
        del at[last]
    else:
        at[last] = value
    return result


def told(old: dict[str, Any], new: dict[str, Any]) -> set[tuple[str, str]]:
    return {(found.side, found.field) for found in breaking_changes(old, new)}


READER, WRITER = "reader", "writer"


@pytest.mark.parametrize(
    ("where", "value", "field", "sides"),
    [
        ("properties/cost", GONE, "cost", {READER}),
        ("properties/data", GONE, "data", {READER}),
        ("$defs/Turn/properties/role", GONE, "turns.[].role", {READER}),
        ("required", ["user", "cost"], "cost", {READER}),
        ("required", [], "user", {WRITER}),
        ("$defs/Turn/required", ["text", "role"], "turns.[].role", {READER}),
        ("properties/user/type", "integer", "user", {READER, WRITER}),
        ("properties/cost/type", "integer", "cost", {READER}),
        ("properties/count/type", "number", "count", {WRITER}),
        ("properties/user/type", GONE, "user", {WRITER}),
        ("properties/note/anyOf", [{"type": "string"}], "note", {READER}),
        ("properties/note/anyOf", [{"type": "string"}, {"type": "null"}, {"type": "object"}], "note", {WRITER}),
        ("properties/user/maxLength", 9, "user", {READER}),
        ("properties/user/maxLength", 11, "user", {WRITER}),
        ("properties/user/maxLength", GONE, "user", {WRITER}),
        ("properties/user/minLength", 2, "user", {READER}),
        ("properties/user/minLength", 0, "user", {WRITER}),
        ("properties/count/minimum", 2, "count", {READER}),
        ("properties/count/maximum", 21, "count", {WRITER}),
        ("properties/cost/exclusiveMinimum", 0, "cost", {READER}),
        ("properties/turns/maxItems", 2, "turns", {READER}),
        ("properties/turns/minItems", 1, "turns", {READER}),
        ("properties/reason/enum", ["a"], "reason", {READER}),
        ("properties/reason/enum", ["a", "b", "c"], "reason", {WRITER}),
        ("properties/reason/enum", ["a", "c"], "reason", {READER, WRITER}),
        ("properties/reason/enum", GONE, "reason", {WRITER}),
        ("properties/user/enum", ["x"], "user", {READER}),
        ("properties/kind/const", "reel", "kind", {READER, WRITER}),
        ("properties/kind/const", GONE, "kind", {WRITER}),
        ("properties/url/pattern", "^http", "url", {READER, WRITER}),
        ("properties/url/pattern", GONE, "url", {WRITER}),
        ("properties/user/pattern", "^a", "user", {READER}),
        ("properties/url/format", "date", "url", {READER, WRITER}),
        ("properties/cost/multipleOf", 2, "cost", {READER}),
        ("properties/count/default", 3, "count", {READER}),
        ("properties/count/default", GONE, "count", {READER}),
        ("properties/cost/default", 0, "cost", {READER}),
        ("properties/data/additionalProperties", {"type": "string"}, "data.*", {READER}),
        ("properties/data/additionalProperties", False, "data", {READER}),
        ("properties/data/properties", {"a": {"type": "string"}}, "data.a", {READER}),
        ("additionalProperties", False, "", {READER}),
        ("$defs/Turn/properties/text/type", "integer", "turns.[].text", {READER, WRITER}),
        ("properties/turns/items", {}, "turns.[]", {WRITER}),
        ("properties/pair/prefixItems", [{"type": "string"}, {"type": "null"}], "pair.1", {READER, WRITER}),
        ("properties/user/contentEncoding", "base64", "user", {READER}),
    ],
    ids=named,
)
def test_each_kind_of_breaking_change_is_caught_on_its_side(
    where: str, value: object, field: str, sides: set[str]
) -> None:
    found = told(EVENT, changed(EVENT, where, value))
    assert {side for side, at in found if at == field} == sides
    assert {at for _, at in found if not at.startswith(field)} == set()


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (
            "oneOf",
            UNION["oneOf"][:1],
            "(event): now refuses object (type 'chat'); takes object (type 'post') (reader's side)",
        ),
        ("$defs/Post/required", ["type"], "topic: until now is required (writer's side)"),
        ("$defs/Chat/properties/text/type", "null", "text: now refuses string; takes null (reader's side)"),
        ("$defs/Chat/properties/text", GONE, "text: now is not read (reader's side)"),
    ],
)
def test_members_of_a_union_are_compared_by_their_tag(where: str, value: object, message: str) -> None:
    assert message in map(str, breaking_changes(UNION, changed(UNION, where, value)))


def test_a_new_member_of_a_union_breaks_those_who_read_with_the_old_one() -> None:
    smaller = changed(UNION, "oneOf", UNION["oneOf"][:1])
    (found,) = breaking_changes(smaller, UNION)
    assert str(found) == "(event): until now refuses object (type 'chat'); takes object (type 'post') (writer's side)"


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("properties/extra", {"type": "string"}),
        ("$defs/Turn/properties/extra", {"type": "string", "default": "x"}),
        ("description", "in other words"),
        ("title", "Another"),
        ("properties/user/description", "who"),
        ("properties/reason", {"enum": ["b", "a"]}),
        ("properties/reason", {"anyOf": [{"const": "a"}, {"const": "b", "type": "string"}]}),
        ("properties/note/anyOf", [{"type": "null"}, {"type": "string"}]),
        ("properties/note", {"type": ["string", "null"], "default": None}),
        ("properties/turns/items", EVENT["$defs"]["Turn"]),
        ("properties/data/additionalProperties", True),
    ],
    ids=str,
)
def test_a_change_that_breaks_nobody_is_no_finding(where: str, value: object) -> None:
    assert breaking_changes(EVENT, changed(EVENT, where, value)) == ()


@pytest.mark.parametrize("spec", event_specs(), ids=lambda spec: spec.ce_type)
def test_no_event_breaks_itself(spec: Any) -> None:
    assert breaking_changes(schema_of(spec), schema_of(spec)) == ()


@pytest.mark.parametrize("spec", event_specs(), ids=lambda spec: spec.ce_type)
def test_every_field_of_every_event_is_watched(spec: Any) -> None:
    schema = schema_of(spec)
    places = [schema, *schema.get("$defs", {}).values()]
    for place in places:
        for name in list(place.get("properties", {})):
            kept = place["properties"].pop(name)
            assert {found.side for found in breaking_changes(schema_of(spec), schema)} >= {READER}, name
            place["properties"][name] = kept


bounds = st.integers(0, 2)
leaves = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"minLength": bounds, "maxLength": bounds, "pattern": st.just("^a")}
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={"minimum": bounds, "maximum": bounds, "exclusiveMinimum": bounds},
    ),
    st.fixed_dictionaries({"type": st.sampled_from(["null", "boolean", ["string", "null"], ["integer", "boolean"]])}),
    st.lists(st.sampled_from(["a", "bb", 0, 1, True, None, 1.5]), min_size=1, max_size=3).map(
        lambda values: {"enum": values}
    ),
    st.sampled_from(["a", "", 1, True, False, None]).map(lambda value: {"const": value}),
)
# Both sides name the same fields: one that only the newer names is a new field, which is no break by definition.
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda members: {"anyOf": members}),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner}, optional={"minItems": bounds, "maxItems": bounds}
        ),
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.fixed_dictionaries({"a": inner, "b": inner})},
            optional={
                "required": st.lists(st.sampled_from("ab"), unique=True),
                "additionalProperties": st.booleans() | inner,
            },
        ),
    ),
    max_leaves=4,
)
values = st.recursive(
    st.sampled_from(["", "a", "bb", "aaa", 0, 1, 3, 1.5, True, False, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=300)
@given(old=schemas, new=schemas, messages=st.lists(values, min_size=10, max_size=10))
def test_no_message_is_refused_without_a_finding(old: dict[str, Any], new: dict[str, Any], messages: list[Any]) -> None:
    before, after = Draft202012Validator(old), Draft202012Validator(new)
    sides = {found.side for found in breaking_changes(old, new)}
    for message in messages:
        right_before, right_now = before.is_valid(message), after.is_valid(message)
        if right_before and not right_now:
            assert READER in sides, message
        if right_now and not right_before:
            assert WRITER in sides, message


@given(schema=schemas)
@example(schema={"anyOf": [{}, {"type": "object", "properties": {"a": {}, "b": {}}}]})
def test_no_schema_breaks_itself(schema: dict[str, Any]) -> None:
    assert breaking_changes(schema, deepcopy(schema)) == ()
