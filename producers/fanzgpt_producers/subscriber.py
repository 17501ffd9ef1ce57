"""Following the endings of requests, for a service that keeps or forwards answers."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import IllegalStateError, KafkaError

from fanzgpt_producers.consumers import begin, reason
from fanzgpt_producers.endings import Ending, decode_ending, decode_record
from fanzgpt_producers.errors import BrokerUnavailable
from fanzgpt_producers.recent import Recent
from fanzgpt_producers.security import Security
from fanzgpt_schemas.errors import ContractError
from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_schemas.generation import GenerationCompleted

log = logging.getLogger(__name__)
E_co = TypeVar("E_co", covariant=True)

DEADLINE_SECONDS: Final = 30.0  # joining a group waits for its other members
COMMIT_SECONDS: Final = 1.0
COMMIT_DEADLINE_SECONDS: Final = 5.0
FETCH_WAIT_MS: Final = 500
DEDUPE_EVENTS: Final = 10_000
# A body may take as long as it needs: heartbeats say that we live.
NEVER_MS: Final = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """A record that is no ending: where it is, what it holds, and what is wrong with it."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    error: ContractError


OnPoison = Callable[[Poison], None]


def subscribe_completions(
    bootstrap_servers: str,
    *,
    group_id: str,
    from_beginning: bool = False,
    on_poison: OnPoison | None = None,
    deadline: float = DEADLINE_SECONDS,
    dedupe_events: int = DEDUPE_EVENTS,
    security: Security | None = None,
) -> AsyncGenerator[GenerationCompleted, None]:
    """Every answer, as it is published, shared between the members of your group.

        async for completion in subscribe_completions("localhost:9092", group_id="my-service"):
            await keep(completion)

    Delivery: at least once. An answer counts as taken when the loop's body has gone on to the next one; one whose body
    raised, or whose process died, is delivered again, to whichever member has its partition then. Positions are stored
    about once a second and when the loop ends, so a crash repeats about a second of answers. Copies of one event within
    the last `dedupe_events` are left out; where a copy must never count, keep `request_id` within `user_id` as a key.
    Order: that of one user's answers; none between users.

    A group without a stored position begins with what is published from now on, or, `from_beginning`, with the oldest
    record that is kept. Records that are no completion are logged, told to `on_poison` and passed over.

    To leave the loop early, wrap the generator in `contextlib.aclosing`: the position is then stored at once.

    Raises:
        BrokerUnavailable: no broker answered within `deadline` seconds at the start, or the group cannot go on (access
            withdrawn); an outage in between is waited out. Begin again: nothing is lost.
        TopicMissing: the brokers do not know the topic.
    """
    return _follow(
        (COMPLETED_TOPIC,),
        _completion,
        bootstrap_servers=bootstrap_servers,
        group_id=group_id,
        from_beginning=from_beginning,
        on_poison=on_poison,
        deadline=deadline,
        dedupe_events=dedupe_events,
        security=security or Security(),
    )


def subscribe_endings(
    bootstrap_servers: str,
    *,
    group_id: str,
    from_beginning: bool = False,
    on_poison: OnPoison | None = None,
    deadline: float = DEADLINE_SECONDS,
    dedupe_events: int = DEDUPE_EVENTS,
    security: Security | None = None,
) -> AsyncGenerator[Ending, None]:
    """The same with failures beside the answers, so that every request is heard of.

    Completed and failed travel on two topics: there is no order between a user's answers and failures.
    """
    return _follow(
        (COMPLETED_TOPIC, FAILED_TOPIC),
        _ending,
        bootstrap_servers=bootstrap_servers,
        group_id=group_id,
        from_beginning=from_beginning,
        on_poison=on_poison,
        deadline=deadline,
        dedupe_events=dedupe_events,
        security=security or Security(),
    )


class _Progress(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
    """What the bodies are done with, per partition of the present assignment, and what of it is stored."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._at: dict[TopicPartition, int] = {}
        self._unstored: dict[TopicPartition, int] = {}
        self._stored_at = asyncio.get_running_loop().time()
        self.assignment = 0

    def given(self, partition: TopicPartition, offset: int) -> None:
        """The record is the first of a batch that goes to the bodies; said before anything else has a turn."""
        self._at[partition] = offset

    def done(self, partition: TopicPartition, offset: int, assignment: int) -> None:
        """The record is done with; without effect where its partition was taken away meanwhile."""
        if assignment == self.assignment:
            self._at[partition] = self._unstored[partition] = offset + 1

    async def store_at_times(self) -> None:
        """Store the positions where the last time is a while ago."""
        if asyncio.get_running_loop().time() - self._stored_at >= COMMIT_SECONDS:
            await self.store()

    async def store(self) -> None:
        """Commit the positions; where that fails, records are delivered again, which is promised."""
        self._stored_at = asyncio.get_running_loop().time()
        unstored, self._unstored = self._unstored, {}
        assignment = self.assignment
        if unstored and not await self._commit(unstored) and assignment == self.assignment:
            self._unstored = unstored | self._unstored

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Store what is done before another member reads on; forget what was being done."""
        if revoked:
            await self.store()
        self._at = {}
        self._unstored = {}
        self.assignment += 1

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Store where a new group begins: `from now on` must not begin anew with each crash."""
        positions = {
            partition: await self._consumer.position(partition)
            for partition in assigned
            if await self._consumer.committed(partition) is None
        }
        # Meanwhile records may have gone to the bodies: what these are not done with must not be passed, and what they
        # are done with not be repeated.
        beginnings = {partition: self._at.get(partition, position) for partition, position in positions.items()}
        if beginnings:
            await self._commit(beginnings)

    async def _commit(self, positions: dict[TopicPartition, int]) -> bool:
        try:
            async with asyncio.timeout(COMMIT_DEADLINE_SECONDS):
                await self._consumer.commit(positions)
        except (TimeoutError, KafkaError, IllegalStateError) as error:
            log.warning("positions not stored: %s", error or "no answer")
            return False
        return True


async def _follow(
    topics: tuple[str, ...],
    decode: Callable[[ConsumerRecord], tuple[E_co, UUID]],
    *,
    bootstrap_servers: str,
    group_id: str,
    from_beginning: bool,
    on_poison: OnPoison | None,
    deadline: float,
    dedupe_events: int,
    security: Security,
) -> AsyncGenerator[E_co, None]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=group_id,
        client_id=group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest" if from_beginning else "latest",
        isolation_level="read_committed",
        max_poll_interval_ms=NEVER_MS,
        session_timeout_ms=30_000,
        **security.options(),
    )
    progress = _Progress(consumer)
    consumer.subscribe(topics, listener=progress)
    await begin(consumer, _nothing, bootstrap_servers=bootstrap_servers, topics=topics, deadline=deadline)
    recent = Recent(dedupe_events)
    try:
        while True:
            batches = await consumer.getmany(timeout_ms=FETCH_WAIT_MS)
            assignment = progress.assignment
            for partition, records in batches.items():
                progress.given(partition, records[0].offset)
            for partition, records in batches.items():
                for record in records:
                    if assignment != progress.assignment:
                        break  # read again from the stored position, here or elsewhere
                    try:
                        event, event_id = decode(record)
                    except ContractError as error:
                        _tell(record, error, on_poison)
                    else:
                        if recent.add(event_id):
                            yield event
                    progress.done(partition, record.offset, assignment)
                    await progress.store_at_times()
            await progress.store_at_times()
    except KafkaError as error:
        raise BrokerUnavailable(bootstrap_servers=bootstrap_servers, reason=reason(error, deadline)) from error
    finally:
        await progress.store()
        await consumer.stop()


def _tell(record: ConsumerRecord, error: ContractError, on_poison: OnPoison | None) -> None:
    log.warning("passed over, no ending: %s/%d/%d: %s", record.topic, record.partition, record.offset, error)
    if on_poison is not None:
        poison = Poison(
            topic=record.topic, partition=record.partition, offset=record.offset, value=record.value, error=error
        )
        on_poison(poison)


def _completion(record: ConsumerRecord) -> tuple[GenerationCompleted, UUID]:
    decoded = decode_record(record, GenerationCompleted)
    return decoded.event, decoded.envelope.event_id


def _ending(record: ConsumerRecord) -> tuple[Ending, UUID]:
    decoded = decode_ending(record)
    return decoded.event, decoded.envelope.event_id


async def _nothing(_consumer: AIOKafkaConsumer) -> None:
    return None
