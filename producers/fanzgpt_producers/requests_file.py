"""Requests as JSON lines: one object a line, with the fields of the contract."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from fanzgpt_producers.ids import new_request_id
from fanzgpt_schemas.errors import ContractError, NotAnEvent, NotJson, Violation
from fanzgpt_schemas.requesting import new_request
from fanzgpt_schemas.requests import GenerationRequested

# As the contract spells it, and as `new_request` takes it.
_ARGUMENTS: Final = {
    "type": "type",
    "userId": "user_id",
    "input": "input",
    "requestId": "request_id",
    "options": "options",
    "conversationId": "conversation_id",
    "deadline": "deadline",
    "onUnknown": "on_unknown",
    "metadata": "metadata",
}
_OBJECTS: Final = ("input", "options", "metadata")
_REQUIRED: Final = ("type", "userId", "input")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLine:
    """One line that asks for something. `number` counts from 1."""

    number: int
    request: GenerationRequested


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedLine:
    """One line that does not, and why, field by field."""

    number: int
    error: ContractError

    def __str__(self) -> str:
        return f"line {self.number}: {self.error}"


def read_requests(
    lines: Iterable[bytes | str], *, new_id: Callable[[], str] = new_request_id
) -> Iterator[RequestLine | RefusedLine]:
    """The requests of a file, one line at a time, whatever its length; empty lines are passed over.

    A line without `requestId` is named by `new_id`. Give each line its own id where a file may have to be sent twice:
    what was asked before is then not asked again. Never raises for what a line holds.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield RequestLine(number=number, request=parse_request(line, new_id=new_id))
        except ContractError as error:
            yield RefusedLine(number=number, error=error)


def parse_request(line: bytes | str, *, new_id: Callable[[], str]) -> GenerationRequested:
    """The request that one line asks for, read as strictly as it would be written.

    Raises:
        ContractError: not JSON, no object, or fields that are missing, wrong or unknown.
    """
    try:
        given = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise NotJson((Violation(field="(line)", reason=f"is not JSON: {error.msg}"),)) from None
    if not isinstance(given, dict):
        raise NotAnEvent((Violation(field="(line)", reason="is not a JSON object"),))
    wrong = [Violation(field=name, reason="is missing") for name in _REQUIRED if given.get(name) is None]
    wrong += [Violation(field=name, reason="is no field of a request") for name in given if name not in _ARGUMENTS]
    wrong += [
        Violation(field=name, reason="is not a JSON object")
        for name in _OBJECTS
        if given.get(name) is not None and not isinstance(given[name], dict)
    ]
    if wrong:
        raise NotAnEvent(tuple(wrong))
    arguments = {_ARGUMENTS[name]: value for name, value in given.items()}
    if arguments.get("request_id") is None:
        arguments["request_id"] = new_id()
    return new_request(**arguments)
