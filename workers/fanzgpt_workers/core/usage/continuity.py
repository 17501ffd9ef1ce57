"""Whether a record is the one that a shard goes on with, where records may be left out on the way to it."""

from dataclasses import dataclass, field
from typing import Final, Literal

TRIES: Final = 3

Way = Literal["take", "read-again", "pass"]


@dataclass(slots=True)
class Continuity:
    """Kept for each partition.

    A reader may leave records out that are in the log: it is sent back for them. What the log itself does not hold
    (retention took it, or a transaction's mark stood there) is found missing each time again, and passed.
    """

    _beyond: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    def way(self, partition: int, *, last: int, offset: int) -> Way:
        """What to do with the record at `offset`; `last` is the last one taken, or the one before the log's first.

        `read-again`: leave it, and read from `last` + 1. `pass`: leave it, it will come again after that.
        """
        expected = last + 1
        if offset <= expected:
            self._beyond.pop(partition, None)
            return "take"
        at, found, times = self._beyond.get(partition, (expected, offset, 0))
        if at != expected or offset < found:
            found, times = offset, 0
        if offset > found:
            return "pass"
        if times == TRIES:
            del self._beyond[partition]
            return "take"
        self._beyond[partition] = (expected, offset, times + 1)
        return "read-again"

    def forget(self) -> None:
        """Partitions have moved: whatever was sent for comes from elsewhere now."""
        self._beyond.clear()
