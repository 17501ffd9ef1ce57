"""A subscriber's position on a real broker: nothing is passed that its body is not done with, and nothing repeated that is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from tests.unit.producers.on_kafka import admin, create_topic

from fanzgpt_producers import KafkaPublisher, subscribe_completions
from fanzgpt_schemas import GenerationCompleted, encode, event_id, request_key
from fanzgpt_schemas.events import COMPLETED_TOPIC

USERS = 30


class Crashed(Exception):
    """What a body raises that does not get to its end."""


@pytest.fixture
async def answers(kafka_bootstrap: str) -> set[str]:
    """The request ids of one new answer for each of many users, spread over the partitions."""
    await create_topic(kafka_bootstrap, COMPLETED_TOPIC, partitions=12)
    run = uuid4().hex[:8]
    events = [
        GenerationCompleted(
            request_id=f"{run}/{number}",
            user_id=f"user-{number}",
            type="social-post",
            input={"topic": "yoga", "platform": "x"},
            output={"post": "Breathe."},
        )
        for number in range(USERS)
    ]
    async with KafkaPublisher(kafka_bootstrap) as publisher:
        await publisher.publish(
            [
                encode(
                    event,
                    event_id=event_id(request_key(event.user_id, event.request_id), "completed"),
                    time=datetime.now(UTC),
                    source="tests",
                )
                for event in events
            ]
        )
    return {event.request_id for event in events}


async def positions_stored(bootstrap: str, group: str) -> None:
    """Return once the group has a position in every partition."""
    async with admin(bootstrap) as client, asyncio.timeout(20):
        while True:
            stored = await client.list_consumer_group_offsets(group)
            partitions = [offset for key, offset in stored.items() if key.topic == COMPLETED_TOPIC]
            if len(partitions) == 12 and all(each.offset >= 0 for each in partitions):
                return
            await asyncio.sleep(0.05)


async def followed(bootstrap: str, group: str) -> AsyncIterator[str]:
    """Request ids as a group that begins with the oldest record hears of them."""
    completions = subscribe_completions(bootstrap, group_id=group, from_beginning=True)
    async with aclosing(completions), asyncio.timeout(30):
        async for completion in completions:
            yield completion.request_id


async def test_a_body_that_crashed_during_the_first_batch_of_a_new_group_hears_of_all_of_it_again(
    kafka_bootstrap: str, answers: set[str]
) -> None:
    group = f"subscriber-{uuid4().hex[:8]}"

    async def crash() -> None:
        async with aclosing(followed(kafka_bootstrap, group)) as first:
            async for request_id in first:
                if request_id in answers:
                    await positions_stored(kafka_bootstrap, group)
                    raise Crashed

    with pytest.raises(Crashed):
        await crash()
    left = set(answers)
    async with aclosing(followed(kafka_bootstrap, group)) as again:
        async for request_id in again:
            left.discard(request_id)
            if not left:
                break
    assert left == set()


async def test_what_a_new_group_was_done_with_is_not_heard_of_again(kafka_bootstrap: str, answers: set[str]) -> None:
    group, heard = f"subscriber-{uuid4().hex[:8]}", set[str]()
    async with aclosing(followed(kafka_bootstrap, group)) as first:
        async for request_id in first:
            heard.add(request_id)
            if answers <= heard:
                await positions_stored(kafka_bootstrap, group)
                break
    # The last body broke off, so its answer alone comes again.
    async with aclosing(followed(kafka_bootstrap, group)) as again:
        assert request_id == await anext(again)
