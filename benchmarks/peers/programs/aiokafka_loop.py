"""By hand: aiokafka and OpenAI's SDK, batches of concurrent calls, commit after each batch."""

import asyncio
import json
import os

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from openai import AsyncOpenAI, DefaultAioHttpClient


async def main() -> None:
    """Run until killed."""
    servers, in_flight = os.environ["KAFKA_BOOTSTRAP_SERVERS"], int(os.environ["IN_FLIGHT"])
    consumer = AIOKafkaConsumer(
        os.environ["TOPIC"],
        bootstrap_servers=servers,
        group_id=os.environ["GROUP"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    client = AsyncOpenAI(max_retries=0, http_client=DefaultAioHttpClient())
    await consumer.start()
    await producer.start()

    async def answer(record: ConsumerRecord) -> None:
        request = json.loads(record.value)
        completion = await client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[
                {"role": "system", "content": "You write posts for social networks."},
                {"role": "user", "content": f"{request['input']['topic']} for {request['input']['platform']}"},
            ],
            max_tokens=1_000,
        )
        event = {"requestId": request["requestId"], "output": {"post": completion.choices[0].message.content}}
        await producer.send_and_wait("ai.generation.completed", json.dumps(event).encode(), key=record.key)

    while True:
        batches = await consumer.getmany(timeout_ms=250, max_records=in_flight)
        records = [record for batch in batches.values() for record in batch]
        if records:
            await asyncio.gather(*(answer(record) for record in records))
            await consumer.commit()


uvloop.run(main())
