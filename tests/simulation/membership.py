"""The clients of the broker: what the engine and the sinks use of a consumer, and what publishes."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, RequestTimedOutError
from aiokafka.structs import OffsetAndMetadata
from tests.simulation.broker import Broker, Written
from tests.simulation.host import Host
from tests.simulation.losing import Losing

from fanzgpt_producers.errors import BrokerUnavailable
from fanzgpt_schemas.codec import Encoded

SESSION_SECONDS: Final = 6.0
NOWHERE: Final = 1 << 62


class SimConsumer:
    """What the engine and the sinks use of AIOKafkaConsumer, for one member on one host."""

    def __init__(self, broker: Broker, group: str, host: Host, losing: Losing) -> None:
        self.host = host
        self.topics: tuple[str, ...] = ()
        self.given: asyncio.Task[None] | None = None
        self._broker = broker
        self._group = broker.group(group)
        self._losing = losing
        self.generation = -1
        self._given = asyncio.Event()
        self._turn = asyncio.Lock()
        self._committing = asyncio.Lock()
        self._listener: ConsumerRebalanceListener | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._keeping: asyncio.Task[None] | None = None

    def subscribe(self, topics: Sequence[str], listener: ConsumerRebalanceListener) -> None:
        """Join the group in the background."""
        self.topics, self._listener = tuple(topics), listener
        self._keeping = asyncio.create_task(self._keep_membership())

    async def getmany(self, *only: TopicPartition, timeout_ms: int, max_records: int) -> dict[Any, list[Written]]:
        """The next records of the assigned partitions, as many as please the network.

        As in aiokafka they are handed out in the instant of the return, and never while a rebalance is under way.
        """
        waiting = any(self._next(tp) for tp in only or tuple(self._positions)) and not self._losing.strikes()
        await self.host.cross(at_least=0.0 if waiting else timeout_ms / 1000)
        await self._given.wait()
        found: dict[Any, list[Written]] = {}
        for tp in only or tuple(self._positions):
            records = self._next(tp)
            if records and waiting:
                found[tp] = records[: self._broker.random.randint(1, max_records)]
                self._positions[tp] = found[tp][-1].offset + 1
        return found

    def _next(self, tp: TopicPartition) -> list[Written]:
        return self._broker.between(tp, self._positions.get(tp, NOWHERE))

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Go on there."""
        if tp not in self._positions:
            raise IllegalStateError(f"{tp} is not assigned")
        self._positions[tp] = offset

    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Commit for the generation, one after another; lost on its way, or taken and the answer lost, or answered."""
        async with self._committing:
            await self.host.cross()
            if any(tp not in self._positions for tp in offsets):
                raise IllegalStateError("not assigned")
            if self._losing.strikes():
                raise RequestTimedOutError("lost on the way")
            self._group.commit(self, self.generation, {tp: each.offset for tp, each in offsets.items()})
            if self._losing.strikes():
                raise RequestTimedOutError("taken, and the answer lost")
            await self.host.cross()

    async def stop(self) -> None:
        """Leave the group."""
        if self._keeping is not None:
            self._keeping.cancel()
        await self.host.cross()
        await self._group.leave(self)

    async def cut_off(self) -> None:
        """Leave without a word; the group finds out, sooner than a session here."""
        if self._keeping is not None:
            self._keeping.cancel()
        await self._group.leave(self)

    async def expel(self) -> None:
        """The network kept its heartbeats from the group: the others go on, and it does not know."""
        self.host.doubt()
        await self._group.leave(self)

    async def give_back(self) -> None:
        """Before a rebalance. A member does one thing at a time, so what the last one gave is taken over first."""
        async with self._turn:
            self._given.clear()
            await self.host.cross()
            if self._listener is not None:
                # In an order of its own, which a set would not have.
                await self._listener.on_partitions_revoked(tuple(self._positions))
            self._positions.clear()

    async def take_over(self, share: Sequence[TopicPartition], generation: int) -> None:
        """After it; void where the next one has begun."""
        async with self._turn:
            await self.host.cross()
            if generation != self._group.generation or self not in self._group.members:
                return
            self.generation = generation
            self._positions = {tp: self._group.committed.get(tp, 0) for tp in share}
            self._given.set()
            self.host.confirm()
            await self.host.cross()  # what is fetched already may be handed out before the listener hears of it
            if self._listener is not None:
                await self._listener.on_partitions_assigned(tuple(share))

    def left_behind(self) -> None:
        """The others go on; whatever runs here may be run again by them."""
        self.host.doubt()

    async def _keep_membership(self) -> None:
        """Heartbeats: whoever was silent for the session is out, and joins again when it finds out."""
        await self.host.cross()
        await self._group.join(self)
        while True:
            before = asyncio.get_running_loop().time()
            await asyncio.sleep(SESSION_SECONDS / 3)
            if self.host.is_dead or self.host.is_frozen:
                await asyncio.sleep(SESSION_SECONDS - (asyncio.get_running_loop().time() - before))
                if self.host.is_dead or self.host.is_frozen:
                    await self._group.leave(self)
            await self.host.cross()
            if self not in self._group.members:
                await self.give_back()
                await self._group.join(self)
            elif self._given.is_set() and self._group.generation == self.generation:
                self.host.confirm()


class SimPublisher:
    """Acknowledges what is written; an acknowledgement may be lost, a broker be away, and a batch be torn apart."""

    def __init__(self, broker: Broker, host: Host, *, losing: Losing) -> None:
        self._broker = broker
        self._host = host
        self._losing = losing

    async def publish(self, events: Sequence[Encoded]) -> None:
        """Write all, or raise with any part of them written; in any order, as one connection a broker gives."""
        await self._host.cross()
        order = list(events)
        self._broker.random.shuffle(order)
        for place, event in enumerate(order):
            if place and self._broker.random.random() < 0.2:
                await self._host.cross()  # where a kill leaves a part of them written
            if self._losing.strikes():
                raise BrokerUnavailable(bootstrap_servers="simulated", reason="away")
            self._broker.append(event.topic, event.key, event.value, event.headers)
        if self._losing.strikes():
            raise BrokerUnavailable(bootstrap_servers="simulated", reason="the acknowledgement was lost")
        await self._host.cross()
