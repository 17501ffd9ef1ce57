"""`python -m fanzgpt_schemas.release`: writes the JSON Schemas that other services hold us to; `--check` compares.

A released version never comes to mean something else: a change that breaks readers or writers is refused, and needs
the event's next version (`events.py`), beside which the old one stays.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from fanzgpt_schemas.compatibility import Break, breaking_changes
from fanzgpt_schemas.events import REQUESTED_SPEC, SPECS, EventSpec
from fanzgpt_schemas.generation import GenerationCompleted
from fanzgpt_schemas.requests import REQUESTED

RELEASED: Final = Path(__file__).parent / "released"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Released(GenerateJsonSchema):
    """Without the titles that repeat a field's name, and without the fields of a default that are not given."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - no field has one
        return False

    def encode_default(self, dft: Any) -> Any:
        return (
            dft.model_dump(mode="json", exclude_defaults=True)
            if isinstance(dft, BaseModel)
            else super().encode_default(dft)
        )


def event_specs() -> tuple[EventSpec, ...]:
    """The events that have a schema."""
    return (REQUESTED_SPEC, *SPECS.values())


def schema_of(spec: EventSpec) -> JsonSchemaValue:
    """What may be sent as this event, so that every reader takes it: JSON Schema, draft 2020-12."""
    adapter = next((TypeAdapter(model) for model, known in SPECS.items() if known == spec), REQUESTED)
    schema = adapter.json_schema(schema_generator=_Released)
    parts = [schema, *schema.get("$defs", {}).values()]
    for part in parts:
        required = part.get("required", [])
        if spec == REQUESTED_SPEC and "type" in part.get("properties", {}) and "requestId" in required:
            # A union is told apart by its tag, so it must be there; an id that is missing is derived by the reader.
            part["required"] = ["type" if name == "requestId" else name for name in required]
        elif spec == SPECS[GenerationCompleted] and "requestId" in required:
            part["required"] = [name for name in required if name != "requestId"]
    return {"$schema": _DIALECT, "$id": f"urn:fanzgpt:{spec.ce_type}", **schema, "title": spec.ce_type}


def path_of(spec: EventSpec, folder: Path = RELEASED) -> Path:
    """Where the schema of this version is kept."""
    return folder / spec.name / f"v{spec.version}.json"


def breaks_of(spec: EventSpec, folder: Path = RELEASED) -> tuple[Break, ...]:
    """How today's models break what was released as this version; nothing for a version that was not released yet.

    Requests are read by us alone, so only the reader's side counts; every other event is also read by services that
    are released when they please.
    """
    path = path_of(spec, folder)
    if not path.exists():
        return ()
    found = breaking_changes(orjson.loads(path.read_bytes()), schema_of(spec))
    return tuple(each for each in found if each.side == "reader" or spec != REQUESTED_SPEC)


def main(arguments: list[str] | None = None) -> int:
    """Write or check; 0 where everything is in order, 1 where it is not, each finding on a line of standard error."""
    parser = argparse.ArgumentParser(prog="python -m fanzgpt_schemas.release", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is not up to date")
    parser.add_argument("--folder", type=Path, default=RELEASED, help="where the schemas are (default: %(default)s)")
    options = parser.parse_args(arguments)
    problems: list[str] = []
    for spec in event_specs():
        path = path_of(spec, options.folder)
        broken = breaks_of(spec, options.folder)
        text = orjson.dumps(schema_of(spec), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        if broken:
            problems += [f"{spec.ce_type}: {each}" for each in broken]
        elif options.check:
            if not path.exists() or path.read_bytes() != text:
                problems.append(f"{path} is not what the models say; run `python -m fanzgpt_schemas.release`")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
