"""Whom the usage streams tell what happens."""

from typing import Protocol

from fanzgpt_schemas.errors import ContractError
from fanzgpt_workers.core.usage.windows import Closing, Fate
from fanzgpt_workers.records import Record


class StreamsWatcher(Protocol):
    """Told what happens, for metrics and logs; must return at once."""

    def applied(self, fate: Fate | None) -> None:
        """A record was taken; None: it tells nothing of usage."""
        ...

    def unreadable(self, record: Record, error: ContractError) -> None:
        """A record holds no event."""
        ...

    def missing(self, partition: int, *, expected: int, found: int) -> None:
        """Records are gone from the log that were never counted."""
        ...

    def left_out(self, partition: int, *, expected: int) -> None:
        """Records did not come that may be in the log; they are read again."""
        ...

    def told(self, closing: Closing) -> None:
        """Windows became final and were acknowledged."""
        ...

    def kept(self, *, records: int, seconds: float, open_keys: int) -> None:
        """What had changed is in the changelog."""
        ...

    def broker_away(self, error: Exception) -> None:
        """Kafka did not answer."""
        ...

    def restored(self, partitions: int) -> None:
        """Partitions are live after a rebalance."""
        ...
