"""Reading a provider's JSON without trusting its shape."""

from typing import Final, Literal

import orjson

from fanzgpt_workers.core.attempts import Tier
from fanzgpt_workers.errors import Malformed

FinishReason = Literal["stop", "length", "refusal", "content-filter", "other"]

_LARGEST_COUNT: Final = 2**53


def json_object(content: bytes) -> dict[str, object]:
    """The object that the body holds; raises Malformed for anything else: not JSON, HTML, another kind of value."""
    try:
        answer: object = orjson.loads(content)
    except orjson.JSONDecodeError:
        shape = "HTML" if content.lstrip()[:1] == b"<" else "not JSON" if content.strip() else "empty"
        raise Malformed(f"the answer is {shape}") from None
    if not isinstance(answer, dict):
        raise Malformed("the answer is JSON but no object")
    return answer


def member(of: object, name: str) -> object:
    """A member of an object; None where it is missing or `of` is no object."""
    return of.get(name) if isinstance(of, dict) else None


def text_member(of: object, name: str) -> str | None:
    """A member that is text; None for anything else."""
    value = member(of, name)
    return value if isinstance(value, str) else None


def count(of: object, name: str) -> int | None:
    """A member that is a count; None where it is not told, or told as something that no count can be."""
    value = member(of, name)
    return value if type(value) is int and 0 <= value <= _LARGEST_COUNT else None


def tier(told: object, name: str) -> Tier | None:
    """The tier that a call is charged at, where it is not the ordinary one."""
    match member(told, name):
        case "flex":
            return "flex"
        case "priority":
            return "priority"
        case "batch":
            return "batch"
        case _:
            return None
