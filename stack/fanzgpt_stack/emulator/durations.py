"""Lengths of time as people write them: `200ms`, `1.5s`, `2m`, `0`."""

import re
from typing import Final

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|h)?")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """The seconds that a text names, without a unit in seconds; raises ValueError in words."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r:.40} is no length of time: write it as 200ms, 1.5s or 2m")
    return float(found[1]) * _SECONDS[found[2] or "s"]
