"""What a price depends on beyond plain tokens, as the JSON text of one column; nearly every call has none of it."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

import orjson

from fanzgpt_workers.core.attempts import Usage

_IN_COLUMNS: Final = frozenset({"input", "output", "cache_read", "cache_write", "reasoning"})
_KINDS: Final = tuple(each.name for each in fields(Usage) if each.name not in _IN_COLUMNS)


def details_of(usage: Usage | None) -> str | None:
    """The text; None where the columns say everything."""
    if usage is None or usage.is_plain:
        return None
    told = {name: value for name in _KINDS if (value := getattr(usage, name)) is not None}
    return orjson.dumps(told).decode()


def usage_of(row: Mapping[str, object]) -> Usage | None:
    """The usage in a row of ai_attempts; None for a call whose tokens are not known."""
    if row["input_tokens"] is None or row["output_tokens"] is None:
        return None
    details = row["usage_details"]
    more = orjson.loads(details) if isinstance(details, str) else {}
    return Usage(
        **{name: row[f"{name}_tokens"] for name in _IN_COLUMNS},  # type: ignore[arg-type]  # columns of integers
        **{name: more[name] for name in _KINDS if name in more},
    )
