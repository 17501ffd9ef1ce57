"""Counts what Faust hands out, in the order of the log and with nothing left out."""

import asyncio
from typing import Any, Final

from fanzgpt_schemas.errors import ContractError
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.core.usage.continuity import Continuity
from fanzgpt_workers.records import Record
from fanzgpt_workers.streams.reading import usage_of
from fanzgpt_workers.streams.table import UsageTable
from fanzgpt_workers.streams.watcher import StreamsWatcher

MOST_NOT_KEPT: Final = 40_000  # records; above it taking waits for keeping


class Counting:
    """How much was counted since the last keeping, and when something last came of each partition."""

    def __init__(self, table: UsageTable, watcher: StreamsWatcher, *, ahead_ms: int) -> None:
        """`ahead_ms` is how far an event's own time may be ahead of its record's."""
        self._table = table
        self._watcher = watcher
        self._ahead_ms = ahead_ms
        self._continuity = Continuity()
        self._taken: set[int] = set()
        self._number = 0
        self._quiet_since: dict[int, float] = {}
        self._room = asyncio.Event()
        self._room.set()

    async def room(self) -> None:
        """Return once more may be counted before the next keeping."""
        await self._room.wait()

    def quiet_since(self, partition: int, now: float) -> float:
        """When something last came of a partition, on the loop's clock; `now` for one that is asked after first."""
        return self._quiet_since.setdefault(partition, now)

    def waits(self, partition: int, now: float) -> None:
        """Something is on its way: the quiet begins anew."""
        self._quiet_since[partition] = now

    def handed_over(self) -> set[int]:
        """The partitions of which something was counted since the last time: to be kept now."""
        taken, self._taken = self._taken, set()
        self._number = 0
        self._room.set()
        return taken

    def forget(self) -> None:
        """Partitions move: what was counted and not kept is counted again by whoever has them then."""
        self.handed_over()
        self._continuity.forget()

    def begin(self, now: float) -> None:
        """The partitions that are here now are live."""
        self._quiet_since = dict.fromkeys(self._table.shards, now)

    def count(self, event: Any, *, generation: int, now: float) -> int | None:
        """Count it; the offset of the record that should have come instead, where there is one."""
        message = event.message
        kept = self._table.shards.get(message.partition)
        if kept is None or message.generation_id != generation:
            return None  # it has moved: whoever has the partition reads it again
        shard = kept.shard
        self._quiet_since[message.partition] = now
        way = self._continuity.way(message.partition, last=shard.offset, offset=message.offset)
        if way != "take":
            return shard.offset + 1 if way == "read-again" else None
        if message.offset > shard.offset + 1:
            self._watcher.missing(message.partition, expected=shard.offset + 1, found=message.offset)
        self._taken.add(message.partition)
        self._number += 1
        if self._number >= MOST_NOT_KEPT:
            self._room.clear()
        if message.offset <= shard.offset:
            self._watcher.applied("replayed")
            return None
        headers = message.headers or ()
        pairs = tuple(headers.items()) if isinstance(headers, dict) else headers
        origin = Origin(message.topic, message.partition, message.offset)
        record = Record(origin, int(message.timestamp * 1000), message.key, message.value, pairs)
        try:
            usage = usage_of(record, ahead_ms=self._ahead_ms)
        except ContractError as error:
            shard.skip(message.offset)
            self._watcher.unreadable(record, error)
            return None
        if usage is None:
            shard.skip(message.offset)
            self._watcher.applied(None)
            return None
        fate = shard.apply(message.offset, usage)
        if fate == "counted":
            kept.counted(usage)
        self._watcher.applied(fate)
        return None
