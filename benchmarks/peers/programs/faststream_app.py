"""FastStream: one subscriber with workers, and a publisher; offsets are committed by its own default."""

import os
from typing import Any

import uvloop
from faststream import FastStream  # type: ignore[import-not-found]  # lives in an environment of its own
from faststream.kafka import KafkaBroker  # type: ignore[import-not-found]  # as above
from openai import AsyncOpenAI, DefaultAioHttpClient

broker = KafkaBroker(os.environ["KAFKA_BOOTSTRAP_SERVERS"], acks="all", enable_idempotence=True, logger=None)
client = AsyncOpenAI(max_retries=0, http_client=DefaultAioHttpClient())


@broker.subscriber(  # type: ignore[untyped-decorator]  # as above
    os.environ["TOPIC"],
    group_id=os.environ["GROUP"],
    auto_offset_reset="earliest",
    max_workers=int(os.environ["IN_FLIGHT"]),
)
@broker.publisher("ai.generation.completed")  # type: ignore[untyped-decorator]  # as above
async def answer(request: dict[str, Any]) -> dict[str, Any]:
    """One request, one answer."""
    completion = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[
            {"role": "system", "content": "You write posts for social networks."},
            {"role": "user", "content": f"{request['input']['topic']} for {request['input']['platform']}"},
        ],
        max_tokens=1_000,
    )
    return {"requestId": request["requestId"], "output": {"post": completion.choices[0].message.content}}


uvloop.run(FastStream(broker, logger=None).run(log_level=50))
