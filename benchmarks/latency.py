"""How long an answer takes beyond its provider, at a steady rate that does not wait for anybody.

`python -m benchmarks.latency --rate 400 --seconds 20` sends requests at fixed instants, whether or not earlier ones are
answered (open loop), and reads the answers from their topic. A latency runs from the instant a request was due to be
sent, so that a sender that is late counts too, to the instant its answer was read; the provider's own time is taken
off. Everything between is in it: two brokers' acknowledgements, ledger, limits, prices, metrics, both events.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.machine import kept
from benchmarks.system import System, running_system
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_producers.requesting import encode_request
from fanzgpt_schemas.codec import new_request
from fanzgpt_workers.commands.output import say, table

COMPLETED: Final = "ai.generation.completed"
SHARES: Final = (50, 90, 99, 99.9)
WARM_SECONDS: Final = 3.0
LAST_ANSWER_SECONDS: Final = 30.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


async def answers(consumer: AIOKafkaConsumer, read: dict[str, float], wanted: int) -> None:
    """When each answer was read, on the loop's clock."""
    loop = asyncio.get_running_loop()
    while len(read) < wanted:
        batches = await consumer.getmany(timeout_ms=100)
        now = loop.time()
        for records in batches.values():
            for record in records:
                read.setdefault(dict(record.headers)["request_id"].decode(), now)


async def one_round(system: System, rate: float, seconds: float, provider: float, prefix: str) -> list[float]:
    """Milliseconds added, for each request after the warm-up; raises TimeoutError where an answer is missing."""
    bootstrap = system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]
    loop, wanted = asyncio.get_running_loop(), int(rate * (WARM_SECONDS + seconds))
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=50)
    await consumer.start()
    await consumer._client.set_topics([COMPLETED])  # noqa: SLF001 - to know of its partitions without a group
    consumer.assign([TopicPartition(COMPLETED, number) for number in consumer.partitions_for_topic(COMPLETED) or ()])
    await consumer.seek_to_end()
    for partition in consumer.assignment():
        await consumer.position(partition)
    read: dict[str, float] = {}
    due: dict[str, float] = {}
    async with KafkaPublisher(bootstrap, client_id="benchmark") as publisher, asyncio.TaskGroup() as group:
        reading = group.create_task(answers(consumer, read, wanted))
        start = loop.time()
        for number in range(wanted):
            at = start + number / rate
            await asyncio.sleep(max(0.0, at - loop.time()))
            request = new_request(
                type="social-post",
                request_id=f"{prefix}-{number}",
                user_id=f"user-{number % 1_000}",
                input={"topic": f"morning workout {number}", "platform": "instagram"},
            )
            due[request.request_id] = at
            event = encode_request(request, time=datetime.now(UTC), source="benchmark", priority="standard")
            group.create_task(publisher.publish([event]))
        async with asyncio.timeout(LAST_ANSWER_SECONDS):
            await asyncio.shield(reading)
    await consumer.stop()
    return sorted((read[name] - at - provider) * 1000 for name, at in due.items() if at >= start + WARM_SECONDS)


def percentile(ordered: list[float], share: float) -> float:
    """The value that so many percent do not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))]


@app.command()
def main(
    rate: Annotated[float, typer.Option(help="Requests a second.")] = 400.0,
    seconds: Annotated[float, typer.Option(min=1)] = 15.0,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    latency: Annotated[float, typer.Option(help="Of the provider, in ms.")] = 20.0,
    transport: Annotated[str, typer.Option(help="sdk or wire.")] = "wire",
) -> None:
    """Added latency at a steady rate."""
    settings = {"PROVIDER_TRANSPORT": transport, "GENERATION_MAX_IN_FLIGHT": "512"}
    with (
        TemporaryDirectory() as temporary,
        running_system(Path(temporary), settings, latency=f"{latency:g}ms") as system,
    ):
        system.start("generation")
        runs = [
            asyncio.run(one_round(system, rate, seconds, latency / 1000, f"round-{each}")) for each in range(rounds)
        ]
    shares = {f"p{share:g}": [round(percentile(run, share), 2) for run in runs] for share in SHARES}
    rows = [(name, f"{median(every):.1f}", " ".join(f"{each:.1f}" for each in every)) for name, every in shares.items()]
    for line in table(("added ms", "median", "rounds"), rows, right=("median",)):
        say(line)
    kept("latency", {"rate": rate, "seconds": seconds, "provider_ms": latency, "added_ms": shares})
    sys.exit(0)


if __name__ == "__main__":
    app()
