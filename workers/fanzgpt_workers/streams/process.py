"""The streams process: takes events out of Faust, keeps what they add up to, and tells windows that are final."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import IllegalStateError, KafkaError
from faust.types import TP

from fanzgpt_schemas.events import ANALYTICS_TOPIC
from fanzgpt_workers.core.usage.keeping import Kept
from fanzgpt_workers.errors import Unavailable
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.streams.counting import Counting
from fanzgpt_workers.streams.table import UsageTable
from fanzgpt_workers.streams.telling import Telling
from fanzgpt_workers.streams.watcher import StreamsWatcher

BEGINNING_SECONDS: Final = 10.0
QUIET_SECONDS: Final = 5.0  # with more in the log; a fetch takes a quarter of one


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, in seconds and milliseconds."""

    checkpoint_seconds: float
    idle_seconds: float
    ahead_ms: int


class Streams:
    """Windows of usage from `ai.analytics.event`.

    Promise: each event of the log counts once in each of its windows, whatever is killed or moved in between; a window
    is told once it is final, under an id of its own, and a repeated fact is the same to the byte. The offset that is
    committed is that of the shard as the changelog holds it, whatever Faust has handed out.
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
        self._telling = Telling(table, publication, watcher)
        self._counting = Counting(table, watcher, ahead_ms=pace.ahead_ms)
        self._clock = clock
        self._pace = pace
        self._watcher = watcher
        self._keeping = asyncio.Lock()
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
        loop = asyncio.get_running_loop()
        async for event in stream.noack().events():
            await self._counting.room()
            self._turned = loop.time()
            left_out = self._counting.count(event, generation=self._app.consumer_generation_id, now=self._turned)
            if left_out is not None:
                await self._read_again(event.message.partition, left_out)
        yield

    async def _read_again(self, partition: int, offset: int) -> None:
        """Faust leaves out what it had fetched while partitions moved, and takes it as done: it is sent back for it."""
        self._watcher.left_out(partition, expected=offset)
        with contextlib.suppress(IllegalStateError):  # it has moved meanwhile: whoever has it then reads it
            await self._app.consumer.seek(TP(ANALYTICS_TOPIC, partition), offset)

    async def keep(self) -> None:
        """Write what has changed to the changelog, tell what has become final, and let the offsets go."""
        async with self._keeping:
            await self._keep()

    async def _keep(self) -> None:
        began = asyncio.get_running_loop().time()
        taken = self._counting.handed_over()
        held = {
            partition: kept
            for partition, kept in self._table.shards.items()
            if self._time_passes(partition, kept, began) or partition in taken
        }
        records = await self._telling.keep(held)
        await self._app.consumer.commit_kept(
            {
                TP(ANALYTICS_TOPIC, partition): kept.offset + 1
                for partition, kept in held.items()
                if self._table.shards.get(partition) is kept
            }
        )
        if held:
            shards = [kept.shard for kept in self._table.shards.values()]
            self._watcher.kept(
                records=records,
                seconds=asyncio.get_running_loop().time() - began,
                open_keys=sum(len(pane) for shard in shards for pane in shard.panes.values()),
            )

    def _time_passes(self, partition: int, kept: Kept, now: float) -> bool:
        """Where nobody has written for long, and everything there is was read, time goes on by the clock."""
        since = self._counting.quiet_since(partition, now)
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
        for partition, kept in list(self._table.shards.items()):
            end = self._app.consumer.highwater(TP(ANALYTICS_TOPIC, partition))
            since = self._counting.quiet_since(partition, now)
            if end is None or kept.shard.offset >= end - 1 or now - since < QUIET_SECONDS:
                continue
            self._counting.waits(partition, now)
            await self._read_again(partition, kept.shard.offset + 1)

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        # What is being written is written before somebody else begins to read it.
        async with self._keeping:
            self._counting.forget()

    async def _on_recovered(self) -> None:
        await self._find_the_first()
        self._counting.begin(asyncio.get_running_loop().time())
        self._watcher.restored(len(self._table.shards))
        self._joined.set()

    async def _find_the_first(self) -> None:
        """Of a shard that has taken nothing yet: so that its first records are missed too, where Faust leaves them out.

        The first is the one that the group has committed, or else the log's own.
        """
        shards = self._table.shards.items()
        fresh = {TP(ANALYTICS_TOPIC, partition): kept for partition, kept in shards if kept.shard.offset < 0}
        if not fresh:
            return
        try:
            async with asyncio.timeout(BEGINNING_SECONDS):
                beginnings = await self._app.consumer.earliest_offsets(*fresh)
                committed = await self._app.consumer.seek_to_committed()  # where Faust is about to begin
        except (KafkaError, TimeoutError) as error:
            # Each is taken to begin at 0: what is not there is looked for in vain a few times, and told as missing.
            self._watcher.broker_away(error)
            return
        for tp, kept in fresh.items():
            kept.shard.skip(max(beginnings[tp], committed.get(tp) or 0) - 1)
