"""Membership in a consumer group, with the settings that this system's promises rest on."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from fanzgpt_producers.security import Security
from fanzgpt_workers.errors import BrokerUnavailable

# Liveness is judged by progress and by heartbeats, not by how often records are asked for: a worker that waits for a
# provider's limit asks for none, and must stay a member.
NEVER_MS: Final = 24 * 60 * 60 * 1000
REBALANCE_MARGIN_SECONDS: Final = 15.0
HEARD_SECONDS: Final = 0.1  # for a commit to hear that its connection is closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """How to join. `drain_seconds` bounds how long a rebalance may wait for running work.

    `instance_id` makes the membership static (KIP-345): a restart within the session time-out moves no partition.
    """

    bootstrap_servers: str
    group_id: str
    client_id: str
    drain_seconds: float
    security: Security = field(default_factory=Security)
    instance_id: str | None = None
    session_timeout_seconds: float = 30.0
    fetch_max_bytes: int = 16 * 1024 * 1024
    max_partition_fetch_bytes: int = 2 * 1024 * 1024


class Member(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka publishes no types
    """A consumer that can be stopped where Kafka gives it no answer."""

    def __init__(self, **options: Any) -> None:
        """As aiokafka's."""
        super().__init__(**options)
        self._commits: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """As aiokafka's; what it leaves of a commit that was given up is heard by somebody, too."""
        await super().start()
        sending = self._coordinator._do_commit_offsets  # noqa: SLF001  # it shields what this returns, and forgets it

        def heard(*given: Any) -> asyncio.Task[None]:
            sent = asyncio.create_task(sending(*given))
            sent.add_done_callback(_hear)
            return sent

        self._coordinator._do_commit_offsets = heard  # noqa: SLF001  # as above

    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """As aiokafka's; who gives up waiting for it leaves behind a task that somebody still hears."""
        commit = asyncio.create_task(super().commit(offsets))
        self._commits.add(commit)
        commit.add_done_callback(self._committed)
        await asyncio.shield(commit)

    def _committed(self, commit: "asyncio.Task[None]") -> None:
        self._commits.discard(commit)
        _hear(commit)

    async def cut_off(self) -> None:
        """Stop without a word to the group, which takes the partitions away when the session is over.

        The connections are closed first: `stop` would wait for answers on them. One of the library's tasks may wait for
        another that has died, which closing does not end; and `stop` ends as a task of its own that it has cancelled.
        """
        await self._client.close()
        if self._commits:
            await asyncio.wait(self._commits, timeout=HEARD_SECONDS)
        under_way = [*self._commits, self._coordinator._coordination_task, *self._fetcher._pending_tasks]  # noqa: SLF001  # see above
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, asyncio.create_task(self.stop()), return_exceptions=True)


def _hear(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        task.exception()  # whoever still waits is told as well


def open_consumer(membership: Membership) -> Member:
    """A consumer that commits only what it is told, reads only what is committed, and starts at the beginning."""
    return Member(
        bootstrap_servers=membership.bootstrap_servers,
        group_id=membership.group_id,
        group_instance_id=membership.instance_id,
        client_id=membership.client_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        session_timeout_ms=int(membership.session_timeout_seconds * 1000),
        heartbeat_interval_ms=int(membership.session_timeout_seconds * 1000 / 10),
        rebalance_timeout_ms=int((membership.drain_seconds + REBALANCE_MARGIN_SECONDS) * 1000),
        max_poll_interval_ms=NEVER_MS,
        fetch_max_bytes=membership.fetch_max_bytes,
        max_partition_fetch_bytes=membership.max_partition_fetch_bytes,
        fetch_max_wait_ms=250,
        **membership.security.options(),
    )


def term_of(consumer: AIOKafkaConsumer) -> int:
    """The group's generation that the consumer is in, which only grows; negative while it is in none.

    Read from its coordinator: aiokafka has no other way to it.
    """
    generation: int = consumer._coordinator.generation  # noqa: SLF001  # as the docstring says
    return generation


async def start_consumer(consumer: AIOKafkaConsumer, bootstrap_servers: str) -> None:
    """Connect; raises BrokerUnavailable, naming the address, when no broker answers."""
    try:
        await consumer.start()
    except (KafkaConnectionError, KafkaError, OSError) as error:
        await consumer.stop()
        raise BrokerUnavailable(f"Kafka at {bootstrap_servers} does not answer: {error}") from error
