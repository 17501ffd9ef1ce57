"""A member of a group that is cut off from a broker that stands still leaves nothing behind that complains."""

import asyncio
import gc
import uuid
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import OffsetAndMetadata
from tests.unit.producers.on_kafka import stalled

from fanzgpt_workers.engine.group import Membership, open_consumer


async def test_what_is_left_of_a_commit_that_was_given_up_is_heard(kafka_bootstrap: str) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    topic = f"cut-off.{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        await producer.send_and_wait(topic, b"{}")
    membership = Membership(
        bootstrap_servers=kafka_bootstrap,
        group_id=topic,
        client_id="cut-off",
        drain_seconds=1,
        session_timeout_seconds=6,
    )
    member = open_consumer(membership)
    await member.start()
    member.subscribe([topic])
    async with asyncio.timeout(30):
        assert await member.getone()
    with stalled(kafka_bootstrap):
        before = asyncio.all_tasks()
        committing = asyncio.create_task(member.commit({TopicPartition(topic, 0): OffsetAndMetadata(1, "")}))
        while len(asyncio.all_tasks() - before) < 3:  # ours, the member's, and what it shields
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - before
        committing.cancel()
        for each in member._commits:
            each.cancel()
        await asyncio.sleep(0)
        await member.cut_off()
        await asyncio.wait(left, timeout=10)
    assert all(task.done() for task in left)
    assert any("exception=" in repr(task) for task in left)  # to ask the task itself would be to hear it
    del left, committing
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
