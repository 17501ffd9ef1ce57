"""What is wrong with a setting, in a line its reader can act on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fanzgpt_workers.settings.group import Group
from fanzgpt_workers.settings.groups import Settings

_SECRET_WORDS: Final = ("KEY", "SECRET", "PASSWORD", "TOKEN")
_PASSWORD_IN_URL: Final = re.compile(r"(?<=://)([^/@\s:]*):([^/@\s]*)@")
_OURS: Final = (
    "KAFKA_",
    "DB_",
    "AI_",
    "GENERATION_",
    "SINK_",
    "METRICS_",
    "MONITOR_",
    "LOG_",
    "PROVIDER_",
    "FEATURE_",
    "IMAGE_",
    "MEDIA_",
    "OBJECT_",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One wrong or missing setting. `given` is None where nothing was given; secrets are masked in it."""

    variable: str
    given: str | None
    remedy: str

    def __str__(self) -> str:
        """`VARIABLE="given": what would be right`."""
        given = " is not set" if self.given is None else f'="{self.given}"'
        return f"{self.variable}{given}: {self.remedy}"


def masked(variable: str, value: str) -> str:
    """The value as it may be shown: no key, no password, nothing endless."""
    if variable.endswith(("_URL", "SERVERS")):
        return _PASSWORD_IN_URL.sub(r"\1:***@", value)
    if any(word in variable.split("_") for word in _SECRET_WORDS):
        return "***"
    return value if len(value) <= 60 else f"{value[:57]}..."


def described(error: ErrorDetails, *, field: FieldInfo, given: str) -> Problem:
    """A field's refusal in terms of its variable."""
    variable = field.alias or ""
    remedy = _right(error, field)
    if not isinstance(field.default, SecretStr) and field.default not in (None, "", (), {}):
        remedy += f"; default {field.default}"
    return Problem(variable=variable, given=masked(variable, given), remedy=remedy)


def variables() -> dict[str, tuple[type[Group], str, FieldInfo]]:
    """Every variable, with the group, the name in it and the field that it sets, in the order of the groups."""
    return {
        field.alias: (group, name, field)
        for group in (field.annotation for field in Settings.model_fields.values())
        if isinstance(group, type) and issubclass(group, Group)
        for name, field in group.model_fields.items()
        if field.alias
    }


def unrecognised(names: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
    """Variables that look like ours but are none, each with the one that was probably meant."""
    known = variables()
    strangers = (name for name in sorted(names) if name.startswith(_OURS) and name not in known)
    found = ((name, get_close_matches(name, known, n=1, cutoff=0.8)) for name in strangers)
    return tuple((name, close[0]) for name, close in found if close)


def _right(error: ErrorDetails, field: FieldInfo) -> str:
    context = error.get("ctx", {})
    bounds = {
        key: bound
        for key in ("ge", "gt", "le", "lt")
        for item in field.metadata
        if (bound := getattr(item, key, None)) is not None
    }
    match error["type"]:
        case "int_parsing" | "int_type" | "int_from_float" | "float_parsing" | "float_type" | "finite_number":
            kind = "a whole number" if error["type"].startswith("int") else "a number"
            return f"should be {kind}{_between(bounds)}"
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            return f"should be{_between(bounds)}"
        case "literal_error":
            return f"should be {context['expected'].replace(chr(39), '')}"
        case "string_pattern_mismatch":
            example = f", for example {field.examples[0]}" if field.examples else ""
            return f"has not the shape of this setting{example}"
        case _:
            return error["msg"][:1].lower() + error["msg"][1:]


def _between(bounds: dict[str, float]) -> str:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return " and".join(f" {words[key]} {bound}" for key, bound in bounds.items())
