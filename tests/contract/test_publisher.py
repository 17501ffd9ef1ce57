"""The publisher's promises, held against a real broker and against the twin."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from tests.unit.producers.on_kafka import create_topic, read_topic, stalled

from fanzgpt_producers.errors import BrokerUnavailable, EventTooLarge, PublisherStopped
from fanzgpt_producers.memory import MemoryPublisher
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.codec import Encoded

AnyPublisher = KafkaPublisher | MemoryPublisher
HEADERS = (("ce_id", b"1"), ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One of the two, with what a test does to it and reads from it."""

    topic: str
    address: str
    publisher: Callable[..., AbstractAsyncContextManager[Any]]
    written: Callable[[], Awaitable[list[Encoded]]]
    away: Callable[[AnyPublisher], AbstractContextManager[None]]

    def event(self, value: bytes, key: bytes = b"user-1") -> Encoded:
        return Encoded(topic=self.topic, key=key, value=value, headers=HEADERS)


@pytest.fixture(params=["memory", "kafka"])
async def stage(request: pytest.FixtureRequest) -> Stage:
    if request.param == "memory":
        return _twin()
    bootstrap: str = request.getfixturevalue("kafka_bootstrap")
    topic = await create_topic(bootstrap, f"publisher-{uuid4()}", settings={"max.message.bytes": "1048576"})

    async def written() -> list[Encoded]:
        records = await read_topic(bootstrap, topic)
        return [Encoded(topic=r.topic, key=r.key, value=r.value, headers=tuple(r.headers)) for r in records]

    return Stage(
        topic=topic,
        address=bootstrap,
        publisher=lambda **settings: KafkaPublisher(bootstrap, **settings),
        written=written,
        away=lambda _publisher: stalled(bootstrap),
    )


def _twin() -> Stage:
    published: list[MemoryPublisher] = []

    @asynccontextmanager
    async def publisher(**settings: Any) -> AsyncIterator[MemoryPublisher]:
        async with MemoryPublisher(**settings) as twin:
            published.append(twin)
            yield twin

    @contextmanager
    def away(twin: AnyPublisher):
        assert isinstance(twin, MemoryPublisher)
        twin.cut()
        try:
            yield
        finally:
            twin.heal()

    async def written() -> list[Encoded]:
        return [event for twin in published for event in twin.events]

    return Stage(topic="t", address="memory", publisher=publisher, written=written, away=away)


async def test_what_was_acknowledged_is_there_with_key_value_and_headers(stage: Stage) -> None:
    events = [stage.event(b"%d" % number, b"user-%d" % number) for number in range(50)]
    async with stage.publisher() as publisher:
        await publisher.publish(events)
        written = await stage.written()
    assert sorted(written, key=lambda event: int(event.value)) == events


async def test_events_of_one_key_keep_their_order_within_a_call_and_from_call_to_call(stage: Stage) -> None:
    keys = [b"a", b"b", b"c"]
    async with stage.publisher() as publisher:
        for call in range(20):
            await publisher.publish([stage.event(b"%d" % (call * 30 + at), keys[at % 3]) for at in range(30)])
    written = await stage.written()
    for at, key in enumerate(keys):
        assert [int(event.value) for event in written if event.key == key] == list(range(at, 600, 3))


async def test_an_event_over_the_limit_is_refused_before_any_of_its_call_is_sent(stage: Stage) -> None:
    async with stage.publisher(max_event_bytes=10_000) as publisher:
        with pytest.raises(EventTooLarge, match="at most 10,000 are taken") as refused:
            await publisher.publish([stage.event(b"small"), stage.event(b"x" * 10_000)])
        await publisher.publish([stage.event(b"next")])
    assert refused.value.size > refused.value.limit == 10_000
    assert [event.value for event in await stage.written()] == [b"next"]


async def test_nothing_to_publish_is_published_at_once(stage: Stage) -> None:
    event = stage.event(b"something")
    async with stage.publisher() as publisher:
        await publisher.publish(())
        await publisher.publish([event])
        await publisher.publish(())
    assert await stage.written() == [event]


async def test_a_broker_that_does_not_answer_is_named_when_the_deadline_has_passed(stage: Stage) -> None:
    loop = asyncio.get_running_loop()
    async with stage.publisher(deadline=0.5) as publisher:
        await publisher.publish([stage.event(b"before")])
        with stage.away(publisher):
            began = loop.time()
            with pytest.raises(BrokerUnavailable, match=stage.address):
                await publisher.publish([stage.event(b"during")])
            assert 0.5 <= loop.time() - began < 1.0


async def test_a_call_may_have_a_deadline_of_its_own(stage: Stage) -> None:
    loop = asyncio.get_running_loop()
    async with stage.publisher() as publisher:
        await publisher.publish([stage.event(b"before")])
        with stage.away(publisher):
            began = loop.time()
            with pytest.raises(BrokerUnavailable, match="0.2 s"):
                await publisher.publish([stage.event(b"during")], deadline=0.2)
            assert 0.2 <= loop.time() - began < 0.7


async def test_the_same_call_succeeds_once_the_broker_is_back(stage: Stage) -> None:
    events = [stage.event(b"%d" % number, b"user-%d" % number) for number in range(20)]
    async with stage.publisher(deadline=0.3) as publisher:
        await publisher.publish([stage.event(b"before")])
        with stage.away(publisher):
            for _ in range(2):
                with pytest.raises(BrokerUnavailable):
                    await publisher.publish(events)
        await publisher.publish(events, deadline=10)
    written = await stage.written()
    assert {event.value for event in written} == {b"before", *(event.value for event in events)}


async def test_a_call_waits_out_an_absence_shorter_than_its_deadline(stage: Stage) -> None:
    async with stage.publisher(deadline=20) as publisher:
        await publisher.publish([stage.event(b"before")])
        with stage.away(publisher):
            call = asyncio.create_task(publisher.publish([stage.event(b"during")]))
            done, _ = await asyncio.wait({call}, timeout=0.3)
            assert not done
        await call
    assert [event.value for event in await stage.written()] == [b"before", b"during"]


async def test_a_cancelled_call_ends_at_once_and_harms_no_other(stage: Stage) -> None:
    async with stage.publisher(deadline=20) as publisher:
        await publisher.publish([stage.event(b"before")])
        with stage.away(publisher):
            calls = [asyncio.create_task(publisher.publish([stage.event(b"%d" % number)])) for number in range(100)]
            await asyncio.wait(calls, timeout=0.1)
            for call in calls[::2]:
                call.cancel()
            await asyncio.wait(calls[::2], timeout=1)
            assert all(call.cancelled() for call in calls[::2])
        await asyncio.gather(*calls[1::2])
    assert {b"%d" % number for number in range(1, 100, 2)} <= {event.value for event in await stage.written()}


async def test_ten_thousand_calls_at_once_are_all_acknowledged(stage: Stage) -> None:
    async with stage.publisher(deadline=60) as publisher:
        await asyncio.gather(
            *(publisher.publish([stage.event(b"%d" % number, b"user-%d" % (number % 97))]) for number in range(10_000))
        )
    assert sorted(int(event.value) for event in await stage.written()) == list(range(10_000))


async def test_a_stopped_publisher_says_so_and_can_be_started_again(stage: Stage) -> None:
    async with stage.publisher() as publisher:
        await publisher.start()
        await publisher.stop()
        await publisher.stop()
        with pytest.raises(PublisherStopped):
            await publisher.publish([stage.event(b"lost")])
        await publisher.start()
        await publisher.publish([stage.event(b"again")])
    assert [event.value for event in await stage.written()] == [b"again"]
