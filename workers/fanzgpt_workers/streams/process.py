"""The streams process: takes events out of Faust, keeps what they add up to, and tells windows that are final."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from faust.types import TP

from fanzgpt_schemas.codec import Encoded
from fanzgpt_schemas.errors import ContractError
from fanzgpt_schemas.events import ANALYTICS_TOPIC
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.core.usage.continuity import Continuity
from fanzgpt_workers.core.usage.keeping import Kept
from fanzgpt_workers.core.usage.windows import Closing, Fate
from fanzgpt_workers.errors import Unavailable
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.records import Record
from fanzgpt_workers.streams.facts import anomaly_fact, window_fact
from fanzgpt_workers.streams.reading import usage_of
from fanzgpt_workers.streams.table import UsageTable

MOST_NOT_KEPT: Final = 40_000  # records; above it taking waits for keeping
FACTS_AT_ONCE: Final = 2_000
QUIET_SECONDS: Final = 10.0  # with more in the log; a fetch takes a quarter of one


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

    def restored(self, partitions: int) -> None:
        """Partitions are live after a rebalance."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, in seconds and milliseconds."""

    checkpoint_seconds: float
    idle_seconds: float
    ahead_ms: int


class Streams:
    """Windows of usage from `ai.analytics.event`.

    Promise: each event of the log counts once in each of its windows, whatever is killed or moved in between; a window
    is told once it is final, under an id of its own, and a repeated fact is the same to the byte. An event is taken as
    counted (its offset committed) only after the changelog holds what it changed.
    """

    def __init__(
        self,
        *,
        app: Any,
        table: UsageTable,
        topic: Any,
        publication: Publication,
        clock: Clock,
        pace: Pace,
        watcher: StreamsWatcher,
    ) -> None:
        """Wire up; nothing is connected before `run`."""
        self._app = app
        self._table = table
        self._publication = publication
        self._clock = clock
        self._pace = pace
        self._watcher = watcher
        self._taken: dict[int, list[Any]] = defaultdict(list)
        self._not_kept = 0
        self._quiet_since: dict[int, float] = {}
        self._continuity = Continuity()
        self._stream: Any = None
        self._keeping = asyncio.Lock()
        self._room = asyncio.Event()
        self._room.set()
        self._joined = asyncio.Event()
        self._stopping = asyncio.Event()
        self._turned = asyncio.get_running_loop().time()
        app.on_partitions_revoked.connect(self._on_revoked, weak=False)
        table.on_recover(self._on_recovered)
        app.agent(topic, concurrency=1, name="usage")(self._take)

    async def joined(self) -> None:
        """Return once the group has given this member its partitions and their shards are restored."""
        await self._joined.wait()

    def membership(self) -> tuple[bool, str]:
        """Whether it takes part, and how, in words."""
        if not self._joined.is_set():
            return False, "waits for its group, or restores its table"
        if self._app.rebalancing:
            return False, "partitions are being moved"
        return True, f"{len(self._table.shards)} partitions"

    def still_seconds(self) -> float:
        """How long it has neither taken nor kept anything, beyond its interval."""
        return max(0.0, asyncio.get_running_loop().time() - self._turned - self._pace.checkpoint_seconds)

    def stop(self) -> None:
        """Keep what was taken, then end; idempotent, callable from a signal handler on the loop."""
        self._stopping.set()

    async def ending(self) -> None:
        """Return once it has begun to end, for whatever reason."""
        await self._stopping.wait()

    async def run(self) -> None:
        """Work until `stop`. Raises Unavailable where Faust has broken: a restart goes on from what was kept."""
        keeping = asyncio.create_task(self._keep_regularly())
        stopping = asyncio.create_task(self._stopping.wait())
        crashing = asyncio.create_task(self._app.wait_until_stopped())
        starting = asyncio.create_task(self._app.maybe_start())
        every = {keeping, stopping, crashing}
        try:
            await asyncio.wait({starting, *every}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(every, return_when=asyncio.FIRST_COMPLETED)
            if crashing.done():
                raise Unavailable("Faust has broken; the log says how")
            if keeping.done():
                keeping.result()
            await self.keep()
        finally:
            self._stopping.set()
            for task in (*every, starting):
                task.cancel()
            for task in (*every, starting):
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
            await self._app.stop()

    async def _take(self, stream: Any) -> AsyncIterator[None]:
        self._stream = stream.noack()
        async for event in self._stream.events():
            await self._room.wait()
            if (left_out := self._apply(event)) is not None:
                await self._read_again(event.message.partition, left_out)
        yield

    def _apply(self, event: Any) -> int | None:
        """Count it; the offset of the record that should have come instead, where there is one."""
        message = event.message
        kept = self._table.shards.get(message.partition)
        if kept is None or message.generation_id != self._app.consumer_generation_id:
            return None  # it has moved: whoever has the partition reads it again
        shard, now = kept.shard, asyncio.get_running_loop().time()
        self._quiet_since[message.partition] = self._turned = now
        way = self._continuity.way(message.partition, last=shard.offset, offset=message.offset)
        if way != "take":
            return shard.offset + 1 if way == "read-again" else None
        if message.offset > shard.offset + 1 and shard.offset >= 0:
            self._watcher.missing(message.partition, expected=shard.offset + 1, found=message.offset)
        self._taken[message.partition].append(event)
        self._not_kept += 1
        if self._not_kept >= MOST_NOT_KEPT:
            self._room.clear()
        if message.offset <= shard.offset:
            self._watcher.applied("replayed")
            return None
        headers = message.headers or ()
        pairs = tuple(headers.items()) if isinstance(headers, dict) else headers
        origin = Origin(message.topic, message.partition, message.offset)
        record = Record(origin, int(message.timestamp * 1000), message.key, message.value, pairs)
        try:
            usage = usage_of(record, ahead_ms=self._pace.ahead_ms)
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

    async def _read_again(self, partition: int, offset: int) -> None:
        """Faust leaves out what it had fetched while partitions moved, and takes it as done: it is sent back for it."""
        self._watcher.left_out(partition, expected=offset)
        await self._app.consumer.seek(TP(ANALYTICS_TOPIC, partition), offset)

    async def keep(self) -> None:
        """Write what has changed to the changelog, tell what has become final, and let the offsets go."""
        async with self._keeping:
            await self._keep()

    async def _keep(self) -> None:
        began = asyncio.get_running_loop().time()
        taken, self._taken = self._taken, defaultdict(list)
        self._not_kept = 0
        self._room.set()
        held = {
            partition: kept
            for partition, kept in self._table.shards.items()
            if self._time_passes(partition, kept, began) or taken.get(partition)
        }
        boundaries = {partition: kept.shard.boundary for partition, kept in held.items()}
        changes = {partition: kept.changes() for partition, kept in held.items()}
        await self._write(changes)
        await self._write({partition: [kept.progress()] for partition, kept in held.items()})
        for partition, kept in held.items():
            if self._table.shards.get(partition) is kept:
                await self._close(partition, kept, boundaries[partition])
        for partition, events in taken.items():
            if partition in held and self._table.shards.get(partition) is held[partition]:
                for event in events:
                    if event.message.generation_id == self._app.consumer_generation_id:
                        await self._stream.ack(event)
        if held:
            shards = [kept.shard for kept in self._table.shards.values()]
            self._watcher.kept(
                records=sum(map(len, changes.values())),
                seconds=asyncio.get_running_loop().time() - began,
                open_keys=sum(len(pane) for shard in shards for pane in shard.panes.values()),
            )

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

    async def _write(self, changes: dict[int, Any]) -> None:
        """Return once everything is acknowledged; raises what a send that failed has raised, which ends the process."""
        waiting = []
        for partition, records in changes.items():
            waiting += await self._table.write(partition, records)
        for future in waiting:
            await future

    def _time_passes(self, partition: int, kept: Kept, now: float) -> bool:
        """Where nobody has written for long, and everything there is was read, time goes on by the clock."""
        since = self._quiet_since.setdefault(partition, now)
        if self._app.rebalancing or now - since < self._pace.idle_seconds:
            return False
        end = self._app.consumer.highwater(TP(ANALYTICS_TOPIC, partition))
        if end is None or kept.shard.offset + 1 < end:
            return False
        to = self._clock.now().timestamp() - self._pace.idle_seconds
        return kept.shard.advance(int(to * 1000))

    async def _keep_regularly(self) -> None:
        while True:
            self._turned = asyncio.get_running_loop().time()
            await asyncio.sleep(self._pace.checkpoint_seconds)
            if self._joined.is_set() and not self._app.rebalancing:
                await self.keep()
                await self._look_for_the_last()

    async def _look_for_the_last(self) -> None:
        """What was left out at the end of the log, with nothing after it to show that it is missing."""
        now = asyncio.get_running_loop().time()
        for partition, kept in self._table.shards.items():
            end = self._app.consumer.highwater(TP(ANALYTICS_TOPIC, partition))
            since = self._quiet_since.setdefault(partition, now)
            if end is None or not 0 <= kept.shard.offset < end - 1 or now - since < QUIET_SECONDS:
                continue
            self._quiet_since[partition] = now
            await self._read_again(partition, kept.shard.offset + 1)

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        # What is being written is written before somebody else begins to read it.
        async with self._keeping:
            self._taken.clear()
            self._continuity.forget()
            self._not_kept = 0
            self._room.set()

    async def _on_recovered(self) -> None:
        now = asyncio.get_running_loop().time()
        self._quiet_since = dict.fromkeys(self._table.shards, now)
        self._watcher.restored(len(self._table.shards))
        self._joined.set()
