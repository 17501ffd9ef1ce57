"""What only a real broker does to a publisher: refuse, lose count, vanish before the first word."""

import asyncio
import time
from uuid import uuid4

import pytest
from aiokafka.structs import TopicPartition
from tests.unit.producers.on_kafka import create_topic, nothing_left, read_topic, silent_port, stalled

from fanzgpt_producers.errors import BrokerUnavailable, EventTooLarge, PublishRefused, TopicMissing
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.codec import Encoded


def event(topic: str, value: bytes, key: bytes = b"user-1") -> Encoded:
    return Encoded(topic=topic, key=key, value=value, headers=())


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    return await create_topic(kafka_bootstrap, f"publisher-{uuid4()}", settings={"max.message.bytes": "20000"})


async def test_no_broker_at_the_start_is_said_at_once_with_its_address() -> None:
    publisher = KafkaPublisher("127.0.0.1:1", deadline=5)
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1: cannot be reached; is it running there\?"):
        await publisher.start()
    assert time.monotonic() - began < 2
    await publisher.stop()


async def test_without_a_start_a_call_looks_for_the_broker_until_its_deadline() -> None:
    publisher = KafkaPublisher("127.0.0.1:1", deadline=0.5)
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1: no connection within 0.5 s \(cannot be reached\)"):
        await publisher.publish([event("t", b"1")])
    assert 0.5 <= time.monotonic() - began < 1.5
    await publisher.stop()


async def test_a_port_that_never_answers_costs_no_more_than_the_deadline() -> None:
    async with silent_port() as address:
        publisher = KafkaPublisher(address, deadline=0.3)
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable, match=f"{address}: no answer within 0.3 s"):
            await publisher.start()
        with pytest.raises(BrokerUnavailable, match=address):
            await asyncio.gather(*(publisher.publish([event("t", b"1")]) for _ in range(100)))
        await publisher.stop()
        assert time.monotonic() - began < 2
    await nothing_left("fanzgpt-publisher")


async def test_a_missing_topic_is_named_with_the_command_that_creates_it(kafka_bootstrap: str) -> None:
    name = f"missing-{uuid4()}"
    async with KafkaPublisher(kafka_bootstrap, deadline=0.5) as publisher:
        with pytest.raises(TopicMissing, match=f"{name}; `fanzgpt topics apply` creates it"):
            await publisher.publish([event(name, b"1")])


async def test_a_name_that_no_topic_can_have_is_refused_for_good(kafka_bootstrap: str) -> None:
    async with KafkaPublisher(kafka_bootstrap, deadline=2) as publisher:
        with pytest.raises((PublishRefused, TopicMissing), match="no topic at all!"):
            await publisher.publish([event("no topic at all!", b"1")])


async def test_the_brokers_own_limit_strikes_only_the_event_that_is_over_it(kafka_bootstrap: str, topic: str) -> None:
    async with KafkaPublisher(kafka_bootstrap) as publisher:
        calls = [publisher.publish([event(topic, b"%d" % number)]) for number in range(50)]
        calls.insert(25, publisher.publish([event(topic, b"x" * 50_000)]))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refused = outcomes.pop(25)
    assert isinstance(refused, EventTooLarge)
    assert refused.size > 50_000
    assert outcomes == [None] * 50
    assert {int(record.value) for record in await read_topic(kafka_bootstrap, topic)} == set(range(50))


async def test_a_producer_that_lost_count_is_replaced_without_losing_a_call(kafka_bootstrap: str, topic: str) -> None:
    async with KafkaPublisher(kafka_bootstrap) as publisher:
        await publisher.publish([event(topic, b"first", b"user-%d" % number) for number in range(20)])
        broken = publisher._connection
        assert broken is not None
        for partition in range(3):
            broken._producer._txn_manager.increment_sequence_number(TopicPartition(topic, partition), 7)
        await asyncio.gather(
            *(publisher.publish([event(topic, b"%d" % number, b"user-%d" % number)]) for number in range(500))
        )
        assert publisher._connection is not broken
    values = [record.value for record in await read_topic(kafka_bootstrap, topic)]
    assert {b"%d" % number for number in range(500)} <= set(values)


async def test_stopping_while_the_broker_is_stalled_is_bounded_and_leaves_nothing(
    kafka_bootstrap: str, topic: str
) -> None:
    before = asyncio.all_tasks()
    publisher = KafkaPublisher(kafka_bootstrap, deadline=0.5)
    await publisher.publish([event(topic, b"before")])
    with stalled(kafka_bootstrap):
        calls = [asyncio.create_task(publisher.publish([event(topic, b"during")], deadline=30)) for _ in range(10)]
        await asyncio.wait(calls, timeout=0.1)
        began = time.monotonic()
        await publisher.stop()
        assert time.monotonic() - began < 3
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(outcome).__name__ for outcome in outcomes} == {"PublisherStopped"}
    async with asyncio.timeout(1):
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0)


async def test_gzip_is_read_like_any_other(kafka_bootstrap: str, topic: str) -> None:
    async with KafkaPublisher(kafka_bootstrap, compression="gzip") as publisher:
        await publisher.publish([event(topic, b"word " * 1_000) for _ in range(50)])
    assert {record.value for record in await read_topic(kafka_bootstrap, topic)} == {b"word " * 1_000}
