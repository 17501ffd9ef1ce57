"""A Faust agent with concurrency; `faust -A` runs it."""

import json
import os

import faust
from openai import AsyncOpenAI, DefaultAioHttpClient

app = faust.App(
    os.environ["GROUP"],
    broker=f"kafka://{os.environ['KAFKA_BOOTSTRAP_SERVERS']}",
    store="memory://",
    web_enabled=False,
    topic_disable_leader=True,
    producer_acks=-1,
    consumer_auto_offset_reset="earliest",
    stream_buffer_maxsize=4_096,
)
requested = app.topic(os.environ["TOPIC"], value_serializer="raw")
completed = app.topic("ai.generation.completed", value_serializer="raw")
client: list[AsyncOpenAI] = []


@app.agent(requested, concurrency=int(os.environ["IN_FLIGHT"]))
async def answer(stream: faust.StreamT[bytes]) -> None:
    """One request after another, in each of the concurrent actors."""
    if not client:
        client.append(AsyncOpenAI(max_retries=0, http_client=DefaultAioHttpClient()))
    async for value in stream:
        request = json.loads(value)
        completion = await client[0].chat.completions.create(
            model="gpt-4o-mini",
            messages=[
                {"role": "system", "content": "You write posts for social networks."},
                {"role": "user", "content": f"{request['input']['topic']} for {request['input']['platform']}"},
            ],
            max_tokens=1_000,
        )
        event = {"requestId": request["requestId"], "output": {"post": completion.choices[0].message.content}}
        await (await completed.send(value=json.dumps(event).encode()))
