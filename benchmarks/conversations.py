"""Conversations side by side, the messages of each in order, against one call at a time per partition.

`python -m benchmarks.conversations --conversations 1000 --messages 10 --partitions 6` publishes the messages of all
conversations interleaved, and reads order from the provider's own bill: within a conversation, no call may arrive
before the one before it was answered. The baseline is the plain consumer that many services begin with: per partition
fetch, call, publish, commit, next; it gets as many messages as it can do in the time it is given. Exit code 0: no
order error, every message answered, and at least `--at-least` times as fast.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Annotated, Final

import typer
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from openai import AsyncOpenAI, DefaultAioHttpClient

from benchmarks.system import System, running_system
from fanzgpt_producers.bulk import publish_many
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.codec import new_request
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.commands.output import Format, FormatOption, progress, say, show_json, table

TOPIC: Final = "ai.generation.requested"
REGISTRY: Final = Path(__file__).parent.parent / "topics.yaml"
STALL_SECONDS: Final = 60.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Messages a second of both, and what the bill says about order."""

    rate: float
    baseline_rate: float
    answered: int
    order_errors: int


def messages(conversations: int, per_conversation: int) -> Iterator[GenerationRequested]:
    """The first message of every conversation, then the second of each, and so on."""
    for number in range(per_conversation):
        for conversation in range(conversations):
            yield new_request(
                type="chat-response",
                request_id=f"{conversation}/{number}",
                user_id=f"user-{conversation}",
                conversation_id=f"conversation-{conversation}",
                input={"message": f"message {number}", "history": []},
            )


def order_errors(bill: list[dict[str, object]]) -> int:
    """Calls that came out of turn, or before the call before them in their conversation was answered."""
    calls: dict[str, list[tuple[datetime, float, int]]] = defaultdict(list)
    for line in bill:
        conversation, _, number = str(line["request_id"]).partition("/")
        calls[conversation].append(
            (datetime.fromisoformat(str(line["arrived_at"])), float(str(line["delay"])), int(number))
        )
    wrong = 0
    for called in calls.values():
        for (arrived, delay, place), (next_arrived, _, next_place) in pairwise(called):
            wrong += next_place != place + 1 or next_arrived < arrived + timedelta(seconds=delay)
    return wrong


async def publish(system: System, conversations: int, per_conversation: int) -> None:
    """All messages onto the topic."""
    async with KafkaPublisher(system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], client_id="conversations") as publisher:
        await publish_many(
            publisher, messages(conversations, per_conversation), source="benchmark", priority="standard"
        )


async def baseline(system: System, seconds: float) -> float:
    """Messages a second of the plain consumer; its calls are not on the bill that is judged."""
    bootstrap, done = system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], 0
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=bootstrap, group_id="plain", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    client = AsyncOpenAI(
        base_url=system.emulator.openai_base_url, api_key="any", max_retries=0, http_client=DefaultAioHttpClient()
    )
    await consumer.start()
    await producer.start()
    while len(consumer.assignment()) == 0:
        await asyncio.sleep(0.05)
    until = monotonic() + seconds

    async def drain(partition: TopicPartition) -> None:
        nonlocal done
        while monotonic() < until:
            for records in (await consumer.getmany(partition, timeout_ms=100, max_records=20)).values():
                for record in records:
                    if monotonic() > until:
                        return
                    answer = await client.chat.completions.create(
                        model="gpt-4o-mini", messages=[{"role": "user", "content": record.value.decode()}]
                    )
                    await producer.send_and_wait(
                        "ai.generation.completed", (answer.choices[0].message.content or "").encode()
                    )
                    await consumer.commit({partition: OffsetAndMetadata(record.offset + 1, "")})
                    done += 1

    try:
        await asyncio.gather(*(drain(partition) for partition in consumer.assignment()))
    finally:
        await consumer.stop()
        await producer.stop()
        await client.close()
    return done / seconds


async def ours(system: System, wanted: int) -> float:
    """Messages a second of the generation worker, from its first call to its last."""
    worker = system.start("generation")
    calls, moved = 0, monotonic()
    with progress("answered", wanted) as move:
        while calls < wanted:
            await asyncio.sleep(0.1)
            now = system.emulator.stats()["finished"]
            if now != calls:
                calls, moved = now, monotonic()
                move(calls)
            if monotonic() - moved > STALL_SECONDS:
                raise RuntimeError(f"{calls} of {wanted} calls; the worker says: {worker.log.read_text()[-2000:]}")
    worker.terminate()
    bill = system.emulator.bill()
    began, ended = datetime.fromisoformat(bill[0]["arrived_at"]), datetime.fromisoformat(bill[-1]["arrived_at"])
    return wanted / ((ended - began).total_seconds() + float(bill[-1]["delay"]))


async def measure(system: System, conversations: int, per_conversation: int, baseline_seconds: float) -> Measured:
    """The baseline first, then the worker on the same records."""
    await publish(system, conversations, per_conversation)
    slow = await baseline(system, baseline_seconds)
    system.emulator.clear()
    rate = await ours(system, conversations * per_conversation)
    bill = system.emulator.bill()
    return Measured(rate=rate, baseline_rate=slow, answered=len(bill), order_errors=order_errors(bill))


def registry(folder: Path, partitions: int) -> Path:
    """The release's topics, the requests' with so many partitions."""
    topics = yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))
    topics["topics"][TOPIC]["partitions"] = partitions
    file = folder / "topics.yaml"
    file.write_text(yaml.safe_dump(topics), encoding="utf-8")
    return file


@app.command()
def main(
    conversations: Annotated[int, typer.Option(min=1)] = 1_000,
    per_conversation: Annotated[int, typer.Option("--messages", min=1)] = 10,
    partitions: Annotated[int, typer.Option(min=1)] = 6,
    latency: Annotated[str, typer.Option(help="Of the provider.")] = "200ms",
    in_flight: Annotated[int, typer.Option(min=1)] = 1_000,
    transport: Annotated[str, typer.Option(help="sdk or wire.")] = "sdk",
    baseline_seconds: Annotated[float, typer.Option(help="How long the plain consumer runs.")] = 10.0,
    at_least: Annotated[float, typer.Option(help="Times the plain consumer's rate that are required.")] = 20.0,
    output: FormatOption = Format.TEXT,
) -> None:
    """Conversations side by side, each in order."""
    settings = {"GENERATION_MAX_IN_FLIGHT": str(in_flight), "PROVIDER_TRANSPORT": transport}
    with TemporaryDirectory() as temporary:
        topics = registry(Path(temporary), partitions)
        with running_system(Path(temporary), settings, latency=latency, topics=topics) as system:
            measured = asyncio.run(measure(system, conversations, per_conversation, baseline_seconds))
    times, wanted = measured.rate / measured.baseline_rate, conversations * per_conversation
    good = not measured.order_errors and measured.answered == wanted and times >= at_least
    if output is Format.JSON:
        show_json(
            {
                "messages": wanted,
                "answered": measured.answered,
                "order_errors": measured.order_errors,
                "messages_per_second": round(measured.rate, 1),
                "one_at_a_time_per_second": round(measured.baseline_rate, 1),
                "times": round(times, 1),
                "good": good,
            }
        )
    else:
        rows = [
            ("messages asked, answered", f"{wanted}, {measured.answered}"),
            ("order errors", str(measured.order_errors)),
            ("messages/s", f"{measured.rate:.0f}"),
            ("messages/s, one at a time per partition", f"{measured.baseline_rate:.1f}"),
            ("times", f"{times:.1f}"),
        ]
        for line in table(("what", "value"), rows, right=("value",)):
            say(line)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    app()
