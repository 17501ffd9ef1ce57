"""Why requests do not run in Faust: it commits past a record that is still under way.

These are strict expected failures: the day a release of Faust does right they fail, and the decision may be looked at
again (docs/decisions, 0001).
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from tests.integration.faust_agent import COMMIT_SECONDS

RECORDS = 10
START_SECONDS = 30.0


async def written(bootstrap: str, topic: str) -> None:
    """A topic of one partition with ten records."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for number in range(RECORDS):
            await producer.send_and_wait(topic, b"%d" % number, partition=0)
    finally:
        await producer.stop()


async def committed(bootstrap: str, group: str, topic: str) -> int | None:
    """The group's next offset."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        return await consumer.committed(TopicPartition(topic, 0))  # type: ignore[no-any-return]  # untyped
    finally:
        await consumer.stop()


async def commit(bootstrap: str, group: str, topic: str, offset: int) -> None:
    """Let the group begin at an offset."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.commit({TopicPartition(topic, 0): offset})
    finally:
        await consumer.stop()


@contextmanager
def faust_worker(*words: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.integration.faust_agent", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def taken(worker: "subprocess.Popen[str]", records: int) -> None:
    """Return once the worker has printed so many records."""
    assert worker.stdout is not None
    for _ in range(records):
        line = await asyncio.wait_for(asyncio.to_thread(worker.stdout.readline), START_SECONDS)
        if not line:
            raise RuntimeError(f"the Faust worker ended by itself: {worker.communicate()[1]}")


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Faust takes a gap of one at the head for none, and a new group has no bound",
)
@pytest.mark.parametrize(("held", "begin"), [(0, None), (5, 5), (3, None)])
async def test_faust_keeps_a_record_that_is_under_way_from_being_committed(
    kafka_bootstrap: str, tmp_path: Path, held: int, begin: int | None
) -> None:
    topic, group = f"faust-{uuid4().hex[:8]}", f"faust-{uuid4().hex[:8]}"
    await written(kafka_bootstrap, topic)
    if begin is not None:
        await commit(kafka_bootstrap, group, topic, begin)
    with faust_worker(kafka_bootstrap, group, topic, str(held), str(tmp_path)) as worker:
        await taken(worker, RECORDS - (begin or 0))
        # Where Faust does right nothing can be waited for but time: ten of its commit intervals.
        until, last = monotonic() + 10 * COMMIT_SECONDS, begin
        while monotonic() < until and (last is None or last <= held):
            last = await committed(kafka_bootstrap, group, topic)
    assert last is None or last <= held
