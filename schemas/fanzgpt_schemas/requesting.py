"""Building a request strictly, so that whoever writes one learns of a mistake before it is published."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import ValidationError

from fanzgpt_schemas.base import Model
from fanzgpt_schemas.errors import NotAnEvent, UnknownType, Violation
from fanzgpt_schemas.events import REQUESTED_TOPIC
from fanzgpt_schemas.requests import (
    GENERATION_TYPES,
    REQUESTED,
    GenerationRequested,
    GenerationType,
    OnUnknown,
    Options,
)
from fanzgpt_schemas.violations import shown, violations
from fanzgpt_schemas.writing import written


def new_request(
    *,
    type: GenerationType,  # noqa: A002 - the field's name in the contract
    user_id: str,
    input: Mapping[str, object] | Model,  # noqa: A002 - the field's name in the contract
    request_id: str,
    options: Mapping[str, object] | Options | None = None,
    conversation_id: str | None = None,
    deadline: datetime | str | None = None,
    on_unknown: OnUnknown | None = None,
    stream: bool | None = None,
    metadata: Mapping[str, object] | None = None,
) -> GenerationRequested:
    """A request that every reader of the contract will accept.

    Field names inside `input` and `options` are those of the wire (camelCase) or of Python (snake_case).

    Raises:
        UnknownType: `type` names no generation type.
        ContractError: what else is wrong, field by field; unknown fields of `input` are refused, those of `options`
            travel to the prompt as they are.
    """
    if type not in GENERATION_TYPES:
        raise unknown_type(type)
    given: dict[str, object] = {
        "type": type,
        "userId": user_id,
        "input": dict(input) if isinstance(input, Mapping) else input,
        "requestId": request_id,
        "options": dict(options) if isinstance(options, Mapping) else options,
        "conversationId": conversation_id,
        "deadline": deadline,
        "onUnknown": on_unknown,
        "stream": stream,
        "metadata": dict(metadata) if isinstance(metadata, Mapping) else metadata,
    }
    data = {name: value for name, value in given.items() if value is not None}
    wrong: list[Violation] = []
    if "options" in data:
        try:
            # Validated apart, because options are open and `extra` below would close them.
            options = Options.model_validate(data["options"])
        except ValidationError as error:
            wrong += [
                Violation(field=f"options.{each.field}".removesuffix(".(value)"), reason=each.reason)
                for each in violations(error, data["options"])
            ]
            options = None
    try:
        request = REQUESTED.validate_python({**data, "options": options or Options()}, extra="forbid")
    except ValidationError as error:
        wrong[:0] = violations(error, data)
    if wrong:
        raise NotAnEvent(tuple(wrong))
    written(request, REQUESTED_TOPIC)  # what cannot be written is better known now than when it is published
    return request


def unknown_type(given: object) -> UnknownType:
    """The error for a `type` that nobody answers, with those that somebody does."""
    reason = f"{shown(repr(given))} is no generation type; there are {', '.join(GENERATION_TYPES)}"
    return UnknownType((Violation(field="type", reason=reason),))
