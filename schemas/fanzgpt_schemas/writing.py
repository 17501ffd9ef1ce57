"""Writing strictly: the bytes of an event, or what its writer has to mend."""

from collections.abc import Iterator

import orjson
from pydantic_core import PydanticSerializationError

from fanzgpt_schemas.base import Model
from fanzgpt_schemas.errors import NotAnEvent, Violation
from fanzgpt_schemas.events import VALUE_LIMITS, TopicName
from fanzgpt_schemas.storable import refuse_unstorable
from fanzgpt_schemas.violations import shown


def written(event: Model, topic: TopicName) -> bytes:
    """The event as JSON in UTF-8: camelCase, without fields that are None, at most as long as `topic` takes.

    Raises:
        ContractError: the event holds fields the contract does not know, lacks some, holds something that has no place
            in JSON (NaN, integers beyond 64 bits, lone surrogates, U+0000, 65 levels), or is too long.
    """
    astray = tuple(_astray(event, ""))
    if astray:
        raise NotAnEvent(astray)
    try:
        data = event.model_dump(exclude_none=True, warnings="error")
        value = orjson.dumps(data)
    except (PydanticSerializationError, TypeError, RecursionError) as error:
        raise NotAnEvent((Violation(field="(value)", reason=shown(str(error))),)) from error
    if len(value) > VALUE_LIMITS[topic]:
        raise too_long(len(value), VALUE_LIMITS[topic])
    refuse_unstorable(value, data)
    return value


def too_long(length: int, limit: int) -> NotAnEvent:
    """The error for a value that its topic does not take."""
    return NotAnEvent((Violation(field="(value)", reason=f"is {length:,} bytes long; at most {limit:,} are taken"),))


def _astray(model: Model, path: str) -> Iterator[Violation]:
    """What `model_copy` and `model_construct` let through: they validate nothing."""
    held = model.__dict__
    fields = type(model).model_fields
    if held.keys() != fields.keys():
        for name in held.keys() ^ fields.keys():
            field = fields.get(name)
            if field is None:
                yield Violation(field=f"{path}{shown(name)}", reason="is no field of the contract")
            else:
                yield Violation(field=f"{path}{field.alias or name}", reason="is missing")
    for name, value in held.items():
        if isinstance(value, Model):
            yield from _astray(value, f"{path}{name}.")
