"""One report of every group's lag, from three sources: the groups, the logs and the database."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.lag.accounts import Accounts
from fanzgpt_workers.lag.causes import Causes
from fanzgpt_workers.lag.groups import Group, Groups
from fanzgpt_workers.lag.oldest import LogReader
from fanzgpt_workers.lag.standing import LagReport, Standing
from fanzgpt_workers.ports import Clock

_CLOCK_SKEW: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumed:
    """A group that there should be, and what it reads; `requests` where its records become rows of the ledger.

    An `optional` one is told of from its first commit on: not everybody runs the process.
    """

    group: str
    topics: Sequence[str]
    requests: bool = False
    optional: bool = False


class LagReader:
    """Reads lag from outside: exact also for a group without members, and nobody's offsets are moved."""

    def __init__(
        self,
        *,
        groups: Groups,
        log: LogReader,
        accounts: Accounts | None,
        expected: Sequence[Consumed],
        clock: Clock,
        causes: Causes | None = None,
    ) -> None:
        """Without `accounts`, sinks stand where their group committed, and commit gaps are not known.

        Without `causes` nobody says what the generation workers' requests wait for.
        """
        self._causes = causes
        self._groups = groups
        self._log = log
        self._accounts = accounts
        self._expected = {consumed.group: consumed for consumed in expected}
        self._clock = clock

    async def check_accounts(self) -> None:
        """Raise what reading the database raises; nothing without accounts."""
        if self._accounts is not None:
            await self._accounts.check()

    async def read(self, more: Iterable[str] = ()) -> LagReport:
        """A report on the expected groups and on `more`, as far as they exist or their topics do.

        Raises BrokerUnavailable and DatabaseUnavailable.
        """
        names = [*self._expected, *(name for name in more if name not in self._expected)]
        groups = [group for group in await asyncio.gather(*map(self._groups.read, names)) if self._counts(group)]
        stored = {} if self._accounts is None else await self._accounts.stored_offsets()
        topics = {topic for consumed in self._expected.values() for topic in consumed.topics}
        existing = await self._groups.partitions(topics | {p.topic for group in groups for p in group.committed})
        bounds = await self._log.bounds(existing)
        standings = [
            self._standing(group, partition, bounds[partition], stored)
            for group in groups
            for partition in existing
            if partition in group.committed or self._reads(group.name, partition)
        ]
        now = self._clock.now()
        aged = await self._aged(standings, now)
        return LagReport(
            at=now,
            standings=tuple(await self._accounted(aged, now)),
            members={group.name: group.members for group in groups},
            batched=() if self._accounts is None else tuple(await self._accounts.batched()),
            waiting_for=await self._waiting_for(),
        )

    async def _waiting_for(self) -> Mapping[str, int] | None:
        if self._causes is None:
            return None
        try:
            return await self._causes.told()
        except CacheUnavailable:
            return None  # a report without it is worth more than none

    def _counts(self, group: Group) -> bool:
        consumed = self._expected.get(group.name)
        return consumed is None or not consumed.optional or bool(group.committed) or group.members > 0

    def _reads(self, group: str, partition: Partition) -> bool:
        consumed = self._expected.get(group)
        return consumed is not None and partition.topic in consumed.topics

    def _standing(
        self,
        group: Group,
        partition: Partition,
        bounds: tuple[int, int],
        stored: Mapping[tuple[str, Partition], int],
    ) -> Standing:
        start, end = bounds
        position = stored.get((group.name, partition), group.committed.get(partition, start))
        return Standing(
            group=group.name,
            partition=partition,
            position=min(max(position, start), end),
            end=end,
            seconds=0.0,
            owner=group.owners.get(partition),
        )

    async def _aged(self, standings: Sequence[Standing], now: datetime) -> list[Standing]:
        """Several groups may stand at different offsets of one partition: one round of reading for each of these."""
        ages: dict[tuple[Partition, int], float] = {}
        open_ = {(s.partition, s.position): s.end for s in standings if s.records}
        while open_:
            in_this_round = {partition: (position, end) for (partition, position), end in open_.items()}
            for partition, timestamp in (await self._log.timestamps(in_this_round)).items():
                age = now.timestamp() - timestamp / 1000
                ages[partition, in_this_round[partition][0]] = max(age, 0.0)
            for partition, (position, _) in in_this_round.items():
                del open_[partition, position]
        return [
            replace(standing, seconds=ages.get((standing.partition, standing.position)))
            if standing.records
            else standing
            for standing in standings
        ]

    async def _accounted(self, standings: Sequence[Standing], now: datetime) -> list[Standing]:
        """Add what the ledger knows of the groups whose records are requests."""
        of_requests = [s for s in standings if (c := self._expected.get(s.group)) is not None and c.requests]
        if self._accounts is None or not of_requests:
            return list(standings)
        oldest = max((standing.seconds or 0.0 for standing in of_requests), default=0.0)
        positions = {standing.partition: standing.position for standing in of_requests}
        since = now - timedelta(seconds=oldest) - _CLOCK_SKEW
        above = await self._accounts.requests_above(positions, since)
        return [
            replace(
                standing,
                commit_gap=found.ended,
                in_flight=found.in_flight,
                oldest_in_flight_seconds=found.oldest_seconds,
            )
            if standing in of_requests and (found := above.get(standing.partition)) is not None
            else standing
            for standing in standings
        ]


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, UTC."""
        return datetime.now(UTC)
