"""Where a record stands in the log."""

from dataclasses import dataclass
from typing import NamedTuple


class Partition(NamedTuple):
    """A topic partition."""

    topic: str
    number: int

    def __str__(self) -> str:
        """`topic/number`."""
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True, slots=True)
class Origin:
    """One record's place: topic, partition and offset; a redelivery has the same one."""

    topic: str
    partition: int
    offset: int

    @property
    def of(self) -> Partition:
        """The partition the record stands in."""
        return Partition(self.topic, self.partition)

    def __str__(self) -> str:
        """`topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"
