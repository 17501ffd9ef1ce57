"""A library that says the same thing forty times a second is heard once in a while, with the count."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

EVERY_SECONDS: Final = 10.0
_MOST_SAYINGS: Final = 1_000


class Repeats(logging.Filter):
    """Lets a saying (logger and unformatted text) through once in 10 s; the next time it tells how many were held."""

    def __init__(self, *, time: Callable[[], float] = monotonic) -> None:
        """`time` in seconds."""
        super().__init__()
        self._time = time
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written."""
        saying, now = (record.name, str(record.msg)), self._time()
        last, held = self._said.get(saying, (now - EVERY_SECONDS, 0))
        if now - last < EVERY_SECONDS:
            self._said[saying] = (last, held + 1)
            return False
        if len(self._said) >= _MOST_SAYINGS:
            self._said.clear()
        self._said[saying] = (now, 0)
        if held:
            record.msg = f"{record.getMessage()} (and {held} more like it)"
            record.args = None
        return True
