"""What was released is kept: schemas, and examples that every later release reads the same way."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from fanzgpt_schemas import release
from fanzgpt_schemas.codec import Decoded, decode_event, decode_request
from fanzgpt_schemas.events import REQUESTED_SPEC, SPECS, Event, EventSpec
from fanzgpt_schemas.release import RELEASED, breaks_of, event_specs, main, path_of
from fanzgpt_schemas.requests import GENERATION_TYPES

EXAMPLES = sorted(RELEASED.glob("*/examples/*.json"))
SPEC_OF = {spec.name: spec for spec in event_specs()}


def named(path: Path) -> str:
    return f"{path.parents[1].name}/{path.stem}"


def spec_of(path: Path) -> EventSpec:
    return SPEC_OF[path.parents[1].name]


def decoded(path: Path) -> Decoded[Event]:
    example = orjson.loads(path.read_bytes())
    spec = spec_of(path)
    place = {"topic": spec.topic, "partition": 3, "offset": 42}
    headers = [(name, text.encode()) for name, text in example["headers"].items()]
    value = json.dumps(example["value"]).encode()
    if spec == REQUESTED_SPEC:
        return decode_request(value, headers, **place)
    (model,) = (model for model, known in SPECS.items() if known == spec)
    return decode_event(model, value, headers, **place)


def contains(whole: Any, part: Any) -> bool:
    """Whether every field of `part` is in `whole` with the same value; a later release may have added some."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and contains(whole[name], part[name]) for name in part)
    return bool(whole == part)


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_every_example_is_read_as_it_was_when_it_was_released(path: Path) -> None:
    expected = orjson.loads(path.read_bytes())["reads_as"]
    result = decoded(path)
    assert contains(result.event.wire(), expected["event"])
    assert str(result.envelope.event_id) == expected["event_id"]


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_every_example_is_right_under_its_released_schema(path: Path) -> None:
    example = orjson.loads(path.read_bytes())
    spec = spec_of(path)
    Draft202012Validator(orjson.loads(path_of(spec).read_bytes())).validate(decoded(path).event.wire())
    if "ce_type" in example["headers"]:
        assert example["headers"]["ce_type"] == spec.ce_type


def test_there_are_examples_of_every_event_type_and_way_of_sending() -> None:
    ways = {spec.name: set() for spec in event_specs()}
    for path in EXAMPLES:
        headers = orjson.loads(path.read_bytes())["headers"]
        binary = "binary" if "ce_id" in headers else "plain"
        way = "structured" if "cloudevents" in headers.get("content-type", "") else binary
        ways[path.parents[1].name].add(way)
    assert ways["ai.generation.requested"] == ways["ai.generation.completed"] == {"plain", "binary", "structured"}
    assert all("binary" in found for found in ways.values())
    for event in ("ai.generation.requested", "ai.generation.completed"):
        seen = {decoded(path).event.type for path in EXAMPLES if path.parents[1].name == event}
        assert seen == set(GENERATION_TYPES)


@pytest.mark.parametrize("spec", event_specs(), ids=lambda spec: spec.ce_type)
def test_no_released_event_was_broken(spec: EventSpec) -> None:
    assert breaks_of(spec) == ()


@pytest.mark.parametrize("spec", event_specs(), ids=lambda spec: spec.ce_type)
def test_released_schemas_are_schemas(spec: EventSpec) -> None:
    Draft202012Validator.check_schema(orjson.loads(path_of(spec).read_bytes()))


def test_released_schemas_are_what_the_models_say() -> None:
    assert main(["--check"]) == 0


def test_releasing_writes_every_schema_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--folder", str(tmp_path)]
    assert main(["--check", *folder]) == 1
    assert capsys.readouterr().err.count("run `python -m fanzgpt_schemas.release`") == len(SPEC_OF)
    assert main(folder) == main(["--check", *folder]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(SPEC_OF)


def test_a_change_that_breaks_what_was_released_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = SPEC_OF["ai.generation.cancel-requested"]
    folder = ["--folder", str(tmp_path)]
    main(folder)
    released = orjson.loads(path_of(spec, tmp_path).read_bytes())
    released["properties"]["why"] = {"type": "string"}
    path_of(spec, tmp_path).write_bytes(orjson.dumps(released))
    assert main(folder) == 1
    assert capsys.readouterr().err == "ai.generation.cancel-requested.v1: why: now is not read (reader's side)\n"
    assert orjson.loads(path_of(spec, tmp_path).read_bytes()) == released


def test_a_new_generation_type_may_be_asked_for_but_surprises_who_reads_endings(tmp_path: Path) -> None:
    release.main(["--folder", str(tmp_path)])
    requested, completed = SPEC_OF["ai.generation.requested"], SPEC_OF["ai.generation.completed"]
    for spec, shrink in ((requested, _without_voice_requests), (completed, _without_voice_completions)):
        path = path_of(spec, tmp_path)
        path.write_bytes(orjson.dumps(shrink(orjson.loads(path.read_bytes()))))
    assert breaks_of(requested, tmp_path) == ()
    assert [found.field for found in breaks_of(completed, tmp_path)] == ["type"]


def _without_voice_requests(schema: Any) -> Any:
    return {**schema, "oneOf": [member for member in schema["oneOf"] if "Voice" not in member["$ref"]]}


def _without_voice_completions(schema: Any) -> Any:
    schema["properties"]["type"]["enum"].remove("voice-synthesis")
    return schema
