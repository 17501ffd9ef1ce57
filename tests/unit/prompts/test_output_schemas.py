"""The schemas are of the language that every constrained decoder speaks, and the answers they allow are accepted."""

import json
from collections.abc import Iterator, Mapping
from datetime import date

import pytest
from jsonschema import Draft202012Validator
from tests.unit.prompts.requested import requested

from fanzgpt_stack.emulator.schema_answers import conforming
from fanzgpt_workers.ports import Completion, OutputSchema
from fanzgpt_workers.prompts.library import PromptLibrary
from fanzgpt_workers.providers.output_schemas import REFUSED_BY_ANTHROPIC, REFUSED_BY_OPENAI, without

LIBRARY = PromptLibrary(today=lambda: date(2026, 11, 23))
REQUESTS = {
    "one starter": requested("conversation-starters", count=1),
    "twenty starters": requested("conversation-starters", count=20),
    "a week": requested("content-calendar", timeframe="1 week"),
    "a year": requested("content-calendar", timeframe="1 year"),
    "a season": requested("content-calendar", timeframe="the festive season"),
    "an analysis": requested("performance-analysis"),
}
# OpenAI, "Structured model outputs": supported properties.
STRICT = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "format",
    "description",
}


def schema_of(case: str) -> OutputSchema:
    schema = LIBRARY.render(REQUESTS[case]).output_schema
    assert schema is not None
    return schema


def parts(schema: object) -> Iterator[Mapping[str, object]]:
    assert isinstance(schema, Mapping)
    yield schema
    for inner in schema.get("properties", {}).values():
        yield from parts(inner)
    if "items" in schema:
        yield from parts(schema["items"])


@pytest.mark.parametrize("case", REQUESTS)
def test_every_object_is_closed_and_whole_and_every_string_and_list_bounded(case: str) -> None:
    Draft202012Validator.check_schema(schema_of(case).schema)
    for part in parts(schema_of(case).schema):
        match part["type"]:
            case "object":
                assert part["additionalProperties"] is False
                assert part["required"] == list(part["properties"])  # type: ignore[call-overload]  # a mapping
            case "array":
                assert {"minItems", "maxItems"} <= part.keys()
            case kind:
                assert kind == "string"
                assert "maxLength" in part or part["format"] == "date"


@pytest.mark.parametrize("case", REQUESTS)
def test_what_the_hosted_providers_get_is_what_they_take(case: str) -> None:
    schema = schema_of(case)
    assert 1 <= len(schema.name) <= 64
    openai, anthropic = without(schema.schema, REFUSED_BY_OPENAI), without(schema.schema, REFUSED_BY_ANTHROPIC)
    assert all(part.keys() <= STRICT for part in parts(openai))
    assert all(part.keys() <= STRICT - {"maxItems"} for part in parts(anthropic))
    assert all(part.get("minItems", 0) in {0, 1} for part in parts(anthropic))


@pytest.mark.parametrize("case", REQUESTS)
@pytest.mark.parametrize("seed", range(5))
def test_an_answer_that_satisfies_the_schema_is_accepted(case: str, seed: int) -> None:
    answer = conforming(schema_of(case).schema, seed=seed, signature="signed")
    completion = Completion(text=json.dumps(answer), model="m", response_id=None, finish_reason="stop", usage=None)
    assert LIBRARY.read(REQUESTS[case], completion)
