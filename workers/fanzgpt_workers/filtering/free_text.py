"""Which texts of a request and of an answer the filter reads: all that somebody wrote, nothing that names things."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from fanzgpt_schemas.requests import GenerationRequested

# Ids and addresses: what stands in them nobody reads as text.
_NAMING: Final = frozenset({"recipientId", "imageUrl", "audioUrl"})


def of_request(event: GenerationRequested) -> Iterator[str]:
    """Every free text of the input, and of the preferences and other wishes that reach a prompt."""
    given: Mapping[str, JsonValue] = event.input.wire()
    yield from of_value({name: value for name, value in given.items() if name not in _NAMING})
    yield from of_value(dict(event.options.preferences or {}))
    yield from of_value(dict(event.options.extras))


def of_value(value: JsonValue) -> Iterator[str]:
    """Every text in a JSON value; the names in objects too, since people choose those of preferences."""
    left: list[JsonValue] = [value]
    while left:
        match left.pop():
            case str() as text:
                yield text
            case list() as items:
                left.extend(items)
            case dict() as fields:
                left.extend(fields)
                left.extend(fields.values())
            case _:
                pass
