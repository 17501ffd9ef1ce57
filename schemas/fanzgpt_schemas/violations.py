"""From what pydantic says to what a sender can act on: the field as it is spelled on the wire, and why."""

from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fanzgpt_schemas.errors import Violation

MOST_SHOWN: Final = 20
LONGEST_SHOWN: Final = 200


def shown(text: str) -> str:
    """The text in one printable line of bounded length, whatever a sender put into it."""
    start = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:LONGEST_SHOWN])
    return start if len(text) <= LONGEST_SHOWN else f"{start}…"


def violations(error: ValidationError, data: object) -> tuple[Violation, ...]:
    """One violation per field, in the order of the fields; `data` is what was validated.

    A union tries each of its members: their reasons are joined, their names left out of the field's path.
    """
    reasons: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False, include_context=False):
        told = reasons.setdefault(_field(detail, data), [])
        reason = shown(_reason(detail))
        if reason not in told:
            told.append(reason)
    found = [Violation(field=field, reason=", or: ".join(told)) for field, told in reasons.items()]
    rest = len(found) - MOST_SHOWN
    if rest > 0:
        found[MOST_SHOWN:] = [Violation(field="(more)", reason=f"{rest} further fields are wrong")]
    return tuple(found)


def _reason(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "is no field of the contract"
    return detail["msg"].removeprefix("Value error, ")


def _field(detail: ErrorDetails, data: object) -> str:
    """The path as far as it exists in the data; what else pydantic's location holds are names of union members."""
    path: list[str] = []
    at = data
    for part in detail["loc"]:
        missing = detail["type"] == "missing" and part == detail["loc"][-1]
        if not missing:
            try:
                at = at[part]  # type: ignore[index]  # whatever it is, either it has this part or it raises
            except (TypeError, KeyError, IndexError):
                continue
        path.append(shown(str(part)))
    return ".".join(path) or "(value)"
