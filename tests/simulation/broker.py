"""Kafka's side: logs, and groups that rebalance eagerly and take the commits of one generation."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError
from aiokafka.partitioner import murmur2

REBALANCE_SECONDS: Final = 8.0
PARTITIONS: Final = 3


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


class Auditor(Protocol):
    """Sees every durable effect at the broker in the instant it is made."""

    def appended(self, record: Written) -> None:
        """A record is in its log."""
        ...

    def committed(self, group: str, passed: Sequence[Written]) -> None:
        """A group will never read these records again."""
        ...


class Broker:
    """Never dies; its answers may be lost, and its log has gaps where `gaps` says so."""

    def __init__(self, random: Random, *, auditor: Auditor, gaps: float = 0.0) -> None:
        self.random = random
        self.auditor = auditor
        self.logs: dict[TopicPartition, list[Written]] = defaultdict(list)
        self.groups: dict[str, Group] = {}
        self._gaps = gaps
        self._ends: dict[TopicPartition, int] = defaultdict(int)

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
    ) -> Written:
        """Write one record, to the partition of its key."""
        number = murmur2(key or b"") % PARTITIONS
        tp = TopicPartition(topic, number)
        if self._gaps and self.random.random() < self._gaps:
            self._ends[tp] += 1  # a transaction's marker, or what compaction left out
        at = int(asyncio.get_running_loop().time() * 1000)
        record = Written(topic, number, self._ends[tp], at, key, value, tuple(headers))
        self._ends[tp] += 1
        self.logs[tp].append(record)
        self.auditor.appended(record)
        return record

    def records(self, topic: str) -> list[Written]:
        """All of a topic."""
        return [record for tp, log in self.logs.items() if tp.topic == topic for record in log]

    def between(self, tp: TopicPartition, first: int, end: int | None = None) -> list[Written]:
        """The records of a partition from an offset on, up to and without another."""
        log = self.logs.get(tp, [])
        start = len(log)
        while start and log[start - 1].offset >= first:
            start -= 1
        return [record for record in log[start:] if end is None or record.offset < end]

    def group(self, name: str) -> "Group":
        """The group, made where it is not there."""
        return self.groups.setdefault(name, Group(self, name))


class Member(Protocol):
    """A consumer as its group's coordinator knows it."""

    topics: tuple[str, ...]
    given: "asyncio.Task[None] | None"

    async def give_back(self) -> None:
        """Let go of every partition; return when it has."""
        ...

    async def take_over(self, share: Sequence[TopicPartition], generation: int) -> None:
        """Begin with these, in that generation."""
        ...

    def left_behind(self) -> None:
        """It took too long to give back, and the others go on; it is not told."""
        ...


@dataclass(eq=False, slots=True)
class Group:
    """One consumer group; `committed` is what a restart begins at."""

    broker: Broker
    name: str
    generation: int = 0
    members: "list[Member]" = field(default_factory=list)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    _rebalancing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _seen_through: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def join(self, member: Member) -> None:
        """Take a member in."""
        self.members.append(member)
        await self.rebalance()

    async def leave(self, member: Member) -> None:
        """Let a member go, of its own wish or because nothing was heard of it: it is not asked for anything."""
        if member in self.members:
            self.members.remove(member)
            await self.rebalance()

    async def rebalance(self) -> None:
        """Every member gives everything back, within its time, and gets its new share.

        The broker sees it through, whatever becomes of the member for whose sake it began.
        """
        self._seen_through.append(begun := asyncio.create_task(self._rebalance()))
        await asyncio.shield(begun)

    def commit(self, member: Member, generation: int, offsets: Mapping[TopicPartition, int]) -> None:
        """Take a commit; raises CommitFailedError for one of another generation."""
        if generation != self.generation or member not in self.members:
            raise CommitFailedError("the group has rebalanced")
        for tp, offset in offsets.items():
            before = self.committed.get(tp, 0)
            self.committed[tp] = offset
            self.broker.auditor.committed(self.name, self.broker.between(tp, before, offset))

    async def _rebalance(self) -> None:
        async with self._rebalancing:
            members = list(self.members)
            giving = [asyncio.create_task(member.give_back()) for member in members]
            if giving:
                await asyncio.wait(giving, timeout=REBALANCE_SECONDS)
            self._seen_through += [task for task in giving if not task.done()]
            late = [member for member, task in zip(members, giving, strict=True) if not task.done()]
            for member in late:
                if member in self.members:  # it may have gone by itself
                    self.members.remove(member)
                member.left_behind()
            self.generation += 1
            for member, share in self._shares().items():
                member.given = asyncio.create_task(member.take_over(share, self.generation))

    def _shares(self) -> "dict[Any, list[TopicPartition]]":
        shares: dict[Member, list[TopicPartition]] = {member: [] for member in self.members}
        topics = sorted({topic for member in self.members for topic in member.topics})
        for place, tp in enumerate(TopicPartition(topic, n) for topic in topics for n in range(PARTITIONS)):
            if self.members:
                shares[self.members[place % len(self.members)]].append(tp)
        return shares
