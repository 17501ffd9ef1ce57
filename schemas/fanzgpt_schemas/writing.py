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
    if not _intact(event):
        raise NotAnEvent(tuple(_astray(event, "")))
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


def _intact(model: Model) -> bool:
    """Whether the model and those in it hold their fields and no others: the question asked of every event."""
    held = model.__dict__
    if held.keys() != model.__pydantic_fields__.keys():
        return False
    return all(_intact(value) for value in held.values() if hasattr(value, "__pydantic_fields__"))


def _astray(model: Model, path: str) -> Iterator[Violation]:
    """What `model_copy` and `model_construct` let through, for they validate nothing."""
    fields = type(model).model_fields
    for name, value in model.__dict__.items():
        field = fields.get(name)
        if field is None:
            yield Violation(field=f"{path}{shown(name)}", reason="is no field of the contract")
        elif isinstance(value, Model):
            yield from _astray(value, f"{path}{field.alias or name}.")
    for name in fields.keys() - model.__dict__.keys():
        yield Violation(field=f"{path}{fields[name].alias or name}", reason="is missing")
