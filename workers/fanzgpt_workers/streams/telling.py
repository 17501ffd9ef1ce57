"""Writes what has changed to the changelog and tells what is final, in the order that makes a kill harmless."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fanzgpt_schemas.codec import Encoded
from fanzgpt_workers.core.usage.keeping import Kept
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.streams.facts import anomaly_fact, window_fact
from fanzgpt_workers.streams.table import UsageTable
from fanzgpt_workers.streams.watcher import StreamsWatcher

FACTS_AT_ONCE: Final = 2_000


class Telling:
    """The way of a shard's changes to Kafka. What it returns from is acknowledged."""

    def __init__(self, table: UsageTable, publication: Publication, watcher: StreamsWatcher) -> None:
        """Nothing is sent yet."""
        self._table = table
        self._publication = publication
        self._watcher = watcher

    async def keep(self, held: Mapping[int, Kept]) -> int:
        """Keep these shards, progress last, then tell what became final; how many records had changed.

        A shard that moves away meanwhile is told by whoever has it then. Raises what a send that failed has raised.
        """
        boundaries = {partition: kept.shard.boundary for partition, kept in held.items()}
        changes = {partition: kept.changes() for partition, kept in held.items()}
        await self._write(changes)
        await self._write({partition: [kept.progress()] for partition, kept in held.items()})
        for partition, kept in held.items():
            if self._table.shards.get(partition) is kept:
                await self._close(partition, kept, boundaries[partition])
        return sum(map(len, changes.values()))

    async def _close(self, partition: int, kept: Kept, upto: int) -> None:
        closing = kept.shard.closing(upto)
        if closing is None:
            return
        facts = [anomaly_fact(each, shard=partition) for each in closing.anomalies]
        for first in range(0, len(closing.windows), FACTS_AT_ONCE):
            facts += [window_fact(each, shard=partition) for each in closing.windows[first : first + FACTS_AT_ONCE]]
            await self._publish(facts)
            facts = []
        self._watcher.told(closing)
        await self._write({partition: kept.baselines(upto)})
        gone = kept.close(upto)
        await self._write({partition: [kept.progress()]})
        await self._write({partition: gone})

    async def _publish(self, facts: Sequence[Encoded]) -> None:
        if facts:
            await self._publication.publish(facts)

    async def _write(self, changes: Mapping[int, Any]) -> None:
        waiting = []
        for partition, records in changes.items():
            waiting += await self._table.write(partition, records)
        for future in waiting:
            await future
