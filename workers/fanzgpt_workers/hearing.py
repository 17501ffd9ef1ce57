"""Whether Kafka still says anything about the partitions that are listened to: a deaf consumer raises nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from fanzgpt_workers.core.origin import Partition

UNHEARD_SECONDS: Final = 20.0
"""Every fetch is answered within a quarter of a second; an election of leaders or coordinators takes a few."""
_LOOK_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 5.0


class Hearing:
    """Kept by a loop, which says what it listens to; asked by health."""

    def __init__(self, consumer: AIOKafkaConsumer, *, time: Callable[[], float] = time.time) -> None:
        """`time` in seconds since the epoch, as the consumer's own."""
        self._consumer = consumer
        self._time = time
        self._since: dict[Partition, float] = {}
        self._listened = 0.0
        self._asked: list[float] = []

    def listens(self, partitions: Iterable[Partition]) -> None:
        """These are asked for now; to be called at every turn. A loop that has paused begins anew."""
        now = self._time()
        if 0 <= now - self._listened < _LOOK_SECONDS:
            return
        known = self._since if 0 <= now - self._listened < _LONGEST_PAUSE_SECONDS else {}
        self._since = {partition: known.get(partition, now) for partition in partitions}
        self._listened = now

    @contextmanager
    def asking(self) -> Iterator[None]:
        """The group is asked something for the block, and has to answer: a lookup of its coordinator may never end."""
        asked = self._time()
        self._asked.append(asked)
        try:
            yield
        finally:
            self._asked.remove(asked)

    def unheard(self) -> str | None:
        """What Kafka has said nothing about for too long, in words; None when all is well."""
        now, silent = self._time(), {}
        waited = now - min(self._asked, default=now)
        if waited > UNHEARD_SECONDS:
            return f"Kafka has not answered for the group for {waited:.0f} s"
        listened_long = (item for item in self._since.items() if now - item[1] > UNHEARD_SECONDS)
        for partition, since in listened_long:
            heard = self._heard(partition)
            if heard is not None and now - max(since, heard) > UNHEARD_SECONDS:
                silent[partition] = now - max(since, heard)
        if not silent:
            return None
        longest = max(silent, key=silent.__getitem__)
        return (
            f"Kafka has said nothing about {len(silent)} of {len(self._since)} partitions, "
            f"of {longest} for {silent[longest]:.0f} s"
        )

    def _heard(self, partition: Partition) -> float | None:
        """When the last answer about it came, 0 for never; None where the partition has been taken away."""
        at = TopicPartition(*partition)
        if at not in self._consumer.assignment():
            return None
        milliseconds: int | None = self._consumer.last_poll_timestamp(at)
        return (milliseconds or 0) / 1000


async def answers(asking: Awaitable[None], *, within: float) -> bool:
    """Whether it ended in time; it is given up otherwise."""
    try:
        async with asyncio.timeout(within):
            await asking
    except TimeoutError:
        return False
    return True
