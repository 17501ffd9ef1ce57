"""The longest of everything, on topics as topics.yaml makes them: written by our publisher, taken by a real broker."""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from tests.e2e.topics import letter, onlooker
from tests.unit.producers.on_kafka import create_topic, read_topic

from fanzgpt_producers.errors import EventTooLarge
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.codec import Encoded
from fanzgpt_schemas.events import DEAD_LETTER_TOPIC, REQUESTED_TOPIC, TOPIC_NAMES, VALUE_LIMITS, TopicName
from fanzgpt_schemas.topics import bundled_topics
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.publishing.dead_letters import DeadLetters
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.records import Record
from fanzgpt_workers.topics.applying import apply_topics
from fanzgpt_workers.topics.cluster import open_cluster


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


async def topic_like(bootstrap: str, name: TopicName) -> str:
    """A topic of the test's own, with the settings of one of ours."""
    own = {key: value for key, value in bundled_topics()[name].config().items() if key != "min.insync.replicas"}
    return await create_topic(bootstrap, f"sizes-{uuid4()}", partitions=1, settings=own)


@pytest.mark.parametrize("name", TOPIC_NAMES)
async def test_the_longest_value_of_each_topic_is_written_and_read(kafka_bootstrap: str, name: TopicName) -> None:
    topic = await topic_like(kafka_bootstrap, name)
    value = (uuid4().bytes * (VALUE_LIMITS[name] // 16 + 1))[: VALUE_LIMITS[name]]
    async with KafkaPublisher(kafka_bootstrap) as publisher:
        await publisher.publish([Encoded(topic=topic, key=b"k" * 256, value=value, headers=(("ce_id", b"1" * 1_000),))])
    [record] = await read_topic(kafka_bootstrap, topic)
    assert record.value == value


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_a_request_of_two_megabytes_is_refused_at_its_producer_whatever_it_is(
    kafka_bootstrap: str, compression: str | None
) -> None:
    topic = await topic_like(kafka_bootstrap, REQUESTED_TOPIC)
    value = b"x" * 2_000_000
    async with AIOKafkaProducer(
        bootstrap_servers=kafka_bootstrap, max_request_size=4_000_000, compression_type=compression
    ) as raw:
        with pytest.raises(MessageSizeTooLargeError):
            await raw.send_and_wait(topic, value)
    async with KafkaPublisher(kafka_bootstrap, compression=compression or "none") as ours:
        with pytest.raises(EventTooLarge, match="2,000,0.. bytes long; the broker takes less .*: shorten it"):
            await ours.publish([Encoded(topic=topic, key=b"k", value=value, headers=())])


@pytest.mark.parametrize(("size", "whole"), [(2_097_152, True), (2_900_000, True), (3_500_000, False)])
async def test_a_dead_letter_holds_any_record_of_our_topics_whole_and_of_a_longer_one_the_beginning(
    kafka_bootstrap: str, size: int, whole: bool
) -> None:
    async with open_cluster(kafka_bootstrap) as cluster:
        await apply_topics(cluster, bundled_topics())
    origin = Origin(f"elsewhere-{uuid4()}", 0, 7)
    value = (uuid4().bytes * (size // 16 + 1))[:size]
    async with (
        onlooker(kafka_bootstrap, DEAD_LETTER_TOPIC) as seen,
        KafkaPublisher(kafka_bootstrap) as publisher,
    ):
        letters = DeadLetters(Publication(publisher, away=_never), consumer="test", clock=SystemClock())
        await letters.send(Record(origin, 0, b"key", value, (("name", b"value"),)), reason="invalid", error="wrong")

        def about(record: Any) -> bool:
            return bool(record.key == str(origin).encode())

        [record] = await seen.wait_for(about)
    told = letter(record)
    kept = b64decode(told.value or "")
    assert b64decode(told.key or "") == b"key"
    assert (kept == value) == whole
    assert told.value_bytes == (None if whole else size)
    assert value.startswith(kept)
    assert len(kept) > min(size, 2_900_000) - 1


def _never(error: Exception) -> None:
    raise AssertionError(error)
