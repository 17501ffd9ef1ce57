"""A worker whose loop stands still until its group has gone on without it: on a real broker, with the real client."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError, KafkaError
from tests.unit.engine.driven import HandWork, Told

from fanzgpt_workers.core.lanes import Caps
from fanzgpt_workers.engine.group import Membership, open_consumer, term_of
from fanzgpt_workers.engine.loop import Engine, EngineLimits

SESSION_SECONDS = 6.0  # what a broker allows at least
PATIENCE_SECONDS = 40.0


class Counting(Told):
    """Hears what becomes of the membership, and how much had been begun by then."""

    def __init__(self, work: HandWork) -> None:
        super().__init__()
        self.heard: list[tuple[str, int]] = []
        self._work = work

    def rebalanced(self, *, assigned: int, revoked: int) -> None:
        if assigned:
            self.heard.append(("given", len(self._work.begun)))

    def commit_refused(self, error: KafkaError) -> None:
        if isinstance(error, CommitFailedError):
            self.heard.append(("out", len(self._work.begun)))


class Member:
    """An engine on a loop of its own, so that its loop can stand still and nobody else's."""

    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        self.work = HandWork()
        self.told = Counting(self.work)
        self.loop = asyncio.new_event_loop()
        self._wired = (bootstrap, group, topic)
        self._engine: Engine | None = None
        self._thread = threading.Thread(target=self.loop.run_until_complete, args=(self._run(),))
        self._thread.start()

    async def _run(self) -> None:
        bootstrap, group, topic = self._wired
        consumer = open_consumer(
            Membership(
                bootstrap_servers=bootstrap,
                group_id=group,
                client_id="test",
                drain_seconds=1,
                session_timeout_seconds=SESSION_SECONDS,
            )
        )
        await consumer.start()
        self._engine = Engine(
            consumer=consumer,
            topics=(topic,),
            intake=self.work,
            limits=EngineLimits(caps=Caps(in_flight=1, per_user=1), drain_seconds=1),
            watcher=self.told,
            term=partial(term_of, consumer),
        )
        await self._engine.run()

    def holds(self) -> bool:
        """Whether it has the partition."""
        return self._engine is not None and bool(self._engine.book.partitions())

    def stand_still(self, seconds: float) -> None:
        """Keep its loop from turning, as a stopped process or a long collection of garbage would."""
        self.loop.call_soon_threadsafe(time.sleep, seconds)

    def end_all(self) -> None:
        """Whatever runs is over."""
        self.loop.call_soon_threadsafe(lambda: self.work.end(*self.work.running))

    async def leave(self) -> None:
        """Stop, and wait for it."""
        if self._engine is not None and self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._engine.stop)
        await asyncio.to_thread(self._thread.join)


@asynccontextmanager
async def joined(bootstrap: str, group: str, topic: str) -> AsyncIterator[Member]:
    """A member for the block."""
    member = Member(bootstrap, group, topic)
    try:
        yield member
    finally:
        await member.leave()
        member.loop.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, with patience that ends."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.05)


async def test_a_worker_that_stood_still_begins_nothing_of_what_it_lost_and_works_again_once_it_is_given_something(
    kafka_bootstrap: str,
) -> None:
    topic, group = f"standstill-{uuid4().hex[:8]}", f"standstill-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        for _ in range(2):
            await producer.send_and_wait(topic, b"x", partition=0)
        async with joined(kafka_bootstrap, group, topic) as stands, joined(kafka_bootstrap, group, topic) as other:
            await until(lambda: stands.holds() or other.holds())
            first, second = (stands, other) if stands.holds() else (other, stands)
            await until(lambda: first.work.begun == [0])
            first.stand_still(SESSION_SECONDS + 6)
            first.end_all()  # the first thing that happens when it goes on
            await until(lambda: second.work.begun == [0])
            second.end_all()
            await until(lambda: ("out", 1) in first.told.heard)
            await second.leave()
            await producer.send_and_wait(topic, b"x", partition=0)

            def ended_the_last() -> bool:
                first.end_all()
                return 2 in first.work.begun

            await until(ended_the_last)
        given_again = first.told.heard.index(("out", 1)) + 1
        assert next(at for what, at in first.told.heard[given_again:] if what == "given") == 1
