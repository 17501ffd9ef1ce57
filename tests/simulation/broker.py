"""Kafka as the engine and the sinks know it: topics, groups that rebalance eagerly, and commits of a generation."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.partitioner import murmur2
from aiokafka.structs import OffsetAndMetadata
from tests.simulation.host import Host

from fanzgpt_producers.errors import BrokerUnavailable
from fanzgpt_schemas.codec import Encoded

SESSION_SECONDS = 6.0
REBALANCE_SECONDS = 12.0
PARTITIONS = 3


@dataclass(frozen=True, slots=True)
class Written:
    """A record, with the names that aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Broker:
    """Never dies; its answers may be lost, and its log has gaps where `gaps` says so."""

    def __init__(self, random: Random, *, gaps: float = 0.0) -> None:
        self.random = random
        self.gaps = gaps
        self.logs: dict[TopicPartition, list[Written]] = defaultdict(list)
        self._ends: dict[TopicPartition, int] = defaultdict(int)
        self.groups: dict[str, Group] = {}

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
    ) -> Written:
        """Write one record, to the partition of its key."""
        number = murmur2(key or b"") % PARTITIONS
        tp = TopicPartition(topic, number)
        if self.random.random() < self.gaps:
            self._ends[tp] += 1  # a transaction's marker, or what compaction left out
        at = int(asyncio.get_running_loop().time() * 1000)
        record = Written(topic, number, self._ends[tp], at, key, value, tuple(headers))
        self._ends[tp] += 1
        self.logs[tp].append(record)
        return record

    def records(self, topic: str) -> list[Written]:
        """All of a topic."""
        return [record for tp, log in self.logs.items() if tp.topic == topic for record in log]

    def from_offset(self, tp: TopicPartition, offset: int, most: int) -> list[Written]:
        """The next records of a partition."""
        return [record for record in self.logs[tp] if record.offset >= offset][:most]

    def group(self, name: str) -> "Group":
        """The group, made where it is not there."""
        return self.groups.setdefault(name, Group(self))


@dataclass(eq=False, slots=True)
class Group:
    """One consumer group; `committed` is what a restart begins at."""

    broker: Broker
    generation: int = 0
    members: "list[SimConsumer]" = field(default_factory=list)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    _rebalancing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _late: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def join(self, member: "SimConsumer") -> None:
        """Take a member in."""
        self.members.append(member)
        await self.rebalance()

    async def leave(self, member: "SimConsumer") -> None:
        """Let a member go."""
        if member in self.members:
            self.members.remove(member)
            await self.rebalance()

    async def expire(self, member: "SimConsumer") -> None:
        """Its heartbeats have not come: the others go on without it, and without its having been asked."""
        await self.leave(member)

    async def rebalance(self) -> None:
        """Every member gives everything back, within its time, and gets its new share.

        The broker sees it through, whatever becomes of the member for whose sake it began.
        """
        self._late.append(begun := asyncio.create_task(self._rebalance()))
        await asyncio.shield(begun)

    async def _rebalance(self) -> None:
        async with self._rebalancing:
            members = list(self.members)
            giving = [asyncio.create_task(member.give_back()) for member in members]
            if giving:
                await asyncio.wait(giving, timeout=REBALANCE_SECONDS)
            self._late += [task for task in giving if not task.done()]
            late = [member for member, task in zip(members, giving, strict=True) if not task.done()]
            self.members = [member for member in self.members if member not in late]
            self.generation += 1
            shares: dict[SimConsumer, list[TopicPartition]] = {member: [] for member in self.members}
            topics = sorted({topic for member in self.members for topic in member.topics})
            for place, tp in enumerate(TopicPartition(topic, n) for topic in topics for n in range(PARTITIONS)):
                if self.members:
                    shares[self.members[place % len(self.members)]].append(tp)
            for member, share in shares.items():
                member.given = asyncio.create_task(member.take_over(share, self.generation))


class SimConsumer:
    """What the engine and the sinks use of AIOKafkaConsumer, for one member on one host."""

    def __init__(self, broker: Broker, group: str, host: Host) -> None:
        self._broker = broker
        self._group = broker.group(group)
        self.host = host
        self.topics: tuple[str, ...] = ()
        self.generation = -1
        self.given: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._listener: ConsumerRebalanceListener | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._keeping: asyncio.Task[None] | None = None

    def subscribe(self, topics: Sequence[str], listener: ConsumerRebalanceListener) -> None:
        """Join the group in the background."""
        self.topics, self._listener = tuple(topics), listener
        self._keeping = asyncio.create_task(self._keep_membership())

    async def getmany(self, *only: TopicPartition, timeout_ms: int, max_records: int) -> dict[Any, list[Written]]:
        """The next records of the assigned partitions."""
        await self.host.cross()
        found: dict[Any, list[Written]] = {}
        for tp in list(self._positions):
            if only and tp not in only:
                continue
            records = self._broker.from_offset(tp, self._positions[tp], self._broker.random.randint(1, max_records))
            if records:
                found[tp] = records
                self._positions[tp] = records[-1].offset + 1
        if not found:
            await asyncio.sleep(timeout_ms / 1000)
        return found

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Go on there."""
        if tp not in self._positions:
            raise IllegalStateError(f"{tp} is not assigned")
        self._positions[tp] = offset

    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Commit for the generation; an answer may be lost, and then nobody knows."""
        await self.host.cross()
        if self.generation != self._group.generation or self not in self._group.members:
            raise CommitFailedError("the group has rebalanced")
        for tp, offset in offsets.items():
            if tp not in self._positions:
                raise IllegalStateError(f"{tp} is not assigned")
            self._group.committed[tp] = offset.offset
        await self.host.cross()

    async def stop(self) -> None:
        """Leave the group."""
        if self._keeping is not None:
            self._keeping.cancel()
        await self.host.cross()
        await self._group.leave(self)

    async def give_back(self) -> None:
        """Before a rebalance. A member does one thing at a time, so what the last one gave is taken over first."""
        async with self._turn:
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
            if self._listener is not None:
                await self._listener.on_partitions_assigned(tuple(share))

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
                    await self._group.expire(self)
            await self.host.cross()
            if self not in self._group.members:
                await self.give_back()
                await self._group.join(self)


class SimPublisher:
    """Acknowledges what is written; an acknowledgement may be lost, and a broker be away."""

    def __init__(self, broker: Broker, host: Host, *, losing: "Losing") -> None:
        self._broker = broker
        self._host = host
        self._losing = losing

    async def publish(self, events: Sequence[Encoded]) -> None:
        """Write all, or raise with any part of them written."""
        await self._host.cross()
        for event in events:
            if self._losing.strikes():
                raise BrokerUnavailable(bootstrap_servers="simulated", reason="away")
            self._broker.append(event.topic, event.key, event.value, event.headers)
        if self._losing.strikes():
            raise BrokerUnavailable(bootstrap_servers="simulated", reason="the acknowledgement was lost")
        await self._host.cross()


class Losing:
    """How often something is lost: a share that a run sets, and takes back before its end."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.share = 0.0

    def strikes(self) -> bool:
        """Whether this one is lost."""
        return self._random.random() < self.share
