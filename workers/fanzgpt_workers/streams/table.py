"""The Faust table that holds the shards: Faust moves and recovers it, the shards say what a record of it means."""

from collections.abc import Iterable
from typing import Any

import faust
from faust.types import TP

from fanzgpt_workers.core.usage.keeping import Kept, Restoring, TableRecord
from fanzgpt_workers.core.usage.windows import Cut


class UsageTable(faust.Table[bytes, bytes]):
    """A table whose live form are shards, one for each partition held; its durable form is the changelog.

    A partition that stays with this process over a rebalance keeps its shard; one that comes is restored by Faust's
    recovery, whole, from the changelog alone.
    """

    cut: Cut

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As Faust makes its tables; `cut` is set before the application starts."""
        super().__init__(*args, **kwargs)
        self.shards: dict[int, Kept] = {}
        self._restoring: dict[int, Restoring] = {}

    async def write(self, partition: int, records: Iterable[TableRecord]) -> list[Any]:
        """Send records to the changelog; the futures of their acknowledgements.

        Straight to Faust's producer: the buffer before it sends one after another.
        """
        topic, send = self.changelog_topic_name, self.app.producer.send
        return [await send(topic, key, value, partition, None, None) for key, value in records]

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Records that recovery reads; of a partition that is live here they are known."""
        for event in batch:
            message = event.message
            if message.partition not in self.shards:
                self._restoring.setdefault(message.partition, Restoring()).add(message.key, message.value)

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Forget what went to others."""
        for tp in revoked:
            if tp.topic == self.changelog_topic_name:
                self.shards.pop(tp.partition, None)
                self._restoring.pop(tp.partition, None)
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Every changelog was read to its end: the partitions that came are live."""
        held = {tp.partition for tp in active_tps}
        for partition in held - self.shards.keys():
            self.shards[partition] = self._restoring.pop(partition, Restoring()).restored(self.cut)
        for partition in self.shards.keys() - held:
            del self.shards[partition]
        self._restoring.clear()
        await super().on_recovery_completed(active_tps, standby_tps)
