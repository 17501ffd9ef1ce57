"""What one user's flood does to the others, and whether anything ever stands still.

`python -m benchmarks.fairness` starts real servers and one worker, and sends at fixed instants, whether or not earlier
requests are answered. Three rounds on the same worker: fifty users at their normal rate, *solo*; the same beside one
user who sends a hundred times as much (`--head-start`: after a backlog that is published at once); and a *priority*
topic that never runs empty beside a few requests on the batch topic. A latency runs from the instant a request was due
to be sent to the instant its answer was read, with the provider's time in it. The worker has hardly more slots than the
fifty need.

Exit code 0: the others' p95 beside the flood is at most 1.3 times their p95 solo, every request of theirs is answered,
the flooding user is served as well, and the batch topic moves under full priority load.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final, Literal

import typer
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.latency import COMPLETED, percentile
from benchmarks.machine import kept
from benchmarks.system import System, running_system
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_producers.requesting import encode_request
from fanzgpt_schemas.codec import new_request
from fanzgpt_workers.commands.output import say, table

MOST: Final = 1.3
OTHERS: Final = 50
TIMES: Final = 100
LAST_ANSWER_SECONDS: Final = 60.0
FLOOD: Final = "flood"

Lane = Literal["priority", "standard", "batch"]
Due = tuple[float, str, Lane]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Seconds from due to read, by request id (`user/number`)."""

    latencies: dict[str, float]
    asked: Counter[str]

    def of_others(self) -> list[float]:
        """Those of the fifty, sorted."""
        return sorted(seconds for name, seconds in self.latencies.items() if not name.startswith(FLOOD))

    def answered(self, user: str) -> int:
        """How many of a user's requests were."""
        return sum(name.startswith(f"{user}/") for name in self.latencies)


def others(rate: float, seconds: float) -> Iterator[Due]:
    """When each of the fifty sends: one after another, each at the rate."""
    for number in range(int(OTHERS * rate * seconds)):
        yield number / (OTHERS * rate), f"user-{number % OTHERS}", "standard"


def flood(rate: float, seconds: float, head_start: int) -> Iterator[Due]:
    """One user: a backlog at once, then a hundred times the rate."""
    for _ in range(head_start):
        yield 0.0, FLOOD, "standard"
    for number in range(int(TIMES * rate * seconds)):
        yield number / (TIMES * rate), FLOOD, "standard"


def full_priority(per_second: float, seconds: float, batch: int) -> Iterator[Due]:
    """More priority requests than can be served, of many users, and a few for the batch topic at the beginning."""
    for number in range(batch):
        yield 0.0, f"later-{number}", "batch"
    for number in range(int(per_second * seconds)):
        yield number / per_second, f"now-{number % OTHERS}", "priority"


async def one_round(system: System, dues: Iterator[Due], prefix: str, *, seconds: float, until: str | None) -> Round:
    """Send, and read answers until all that begin so are there, or for `seconds`."""
    bootstrap, loop = system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], asyncio.get_running_loop()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=50)
    await consumer.start()
    await consumer._client.set_topics([COMPLETED])  # noqa: SLF001 - to know of its partitions without a group
    consumer.assign([TopicPartition(COMPLETED, number) for number in consumer.partitions_for_topic(COMPLETED) or ()])
    await consumer.seek_to_end()
    for partition in consumer.assignment():
        await consumer.position(partition)
    due, read, asked = dict[str, float](), dict[str, float](), Counter[str]()
    sent_all = asyncio.Event()

    async def reading() -> None:
        wanted = set[str]()
        while not sent_all.is_set() or (until is not None and not wanted <= read.keys()):
            batches = await consumer.getmany(timeout_ms=50)
            now = loop.time()
            for records in batches.values():
                for record in records:
                    read.setdefault(dict(record.headers)["request_id"].decode(), now)
            if sent_all.is_set() and not wanted and until is not None:
                wanted = {name for name in due if name.startswith(f"{prefix}/{until}")}

    async with KafkaPublisher(bootstrap, client_id="benchmark") as publisher, asyncio.TaskGroup() as group:
        task = group.create_task(reading())
        start = loop.time()
        for at, user, lane in dues:
            await asyncio.sleep(max(0.0, start + at - loop.time()))
            name = f"{prefix}/{user}/{asked[user]}"
            asked[user] += 1
            request = new_request(
                type="social-post",
                request_id=name,
                user_id=user,
                input={"topic": f"morning workout {name}", "platform": "instagram"},
            )
            due[name] = start + at
            event = encode_request(request, time=datetime.now(UTC), source="benchmark", priority=lane)
            group.create_task(publisher.publish([event]))
        await asyncio.sleep(max(0.0, start + seconds - loop.time()))
        sent_all.set()
        async with asyncio.timeout(LAST_ANSWER_SECONDS):
            await asyncio.shield(task)
    await consumer.stop()
    skipped = len(prefix) + 1
    return Round(latencies={name[skipped:]: read[name] - at for name, at in due.items() if name in read}, asked=asked)


@app.command()
def main(
    rate: Annotated[float, typer.Option(help="Requests a second of each of the fifty.")] = 0.1,
    seconds: Annotated[float, typer.Option(min=2, help="Of each round.")] = 40.0,
    latency: Annotated[float, typer.Option(help="Of the provider, in ms.")] = 500.0,
    in_flight: Annotated[int, typer.Option(min=2, help="Slots of the worker.")] = 16,
    head_start: Annotated[int, typer.Option(min=0, help="Backlog with which the flood begins.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Requests on the batch topic.")] = 40,
) -> None:
    """One flood, fifty others."""
    settings = {"PROVIDER_TRANSPORT": "wire", "GENERATION_MAX_IN_FLIGHT": str(in_flight)}
    capacity = in_flight / (latency / 1000)
    with (
        TemporaryDirectory() as temporary,
        running_system(Path(temporary), settings, latency=f"{latency:g}ms") as system,
    ):
        system.start("generation")
        asyncio.run(one_round(system, others(rate, 3), "warm", seconds=3, until="user"))
        solo = asyncio.run(one_round(system, others(rate, seconds), "solo", seconds=seconds, until="user"))
        flooded = asyncio.run(
            one_round(
                system,
                merge(others(rate, seconds), flood(rate, seconds, head_start)),
                "flooded",
                seconds=seconds,
                until="user",
            )
        )
        full = asyncio.run(
            one_round(system, full_priority(2 * capacity, seconds, batch), "full", seconds=seconds, until=None)
        )
    before, beside = percentile(solo.of_others(), 95), percentile(flooded.of_others(), 95)
    missing = sum(flooded.asked.values()) - flooded.asked[FLOOD] - len(flooded.of_others())
    moved = sum(full.answered(f"later-{number}") for number in range(batch))
    served = sum(full.answered(f"now-{number}") for number in range(OTHERS))
    rows = [
        ("others' p50 and p95 solo, ms", f"{percentile(solo.of_others(), 50) * 1000:.0f}  {before * 1000:.0f}"),
        (
            "others' p50 and p95 beside the flood, ms",
            f"{percentile(flooded.of_others(), 50) * 1000:.0f}  {beside * 1000:.0f}",
        ),
        ("p95 beside the flood over p95 solo", f"{beside / before:.2f}"),
        ("the others' slowest request, ms", f"{flooded.of_others()[-1] * 1000:.0f}"),
        ("the others' requests without an answer", str(missing)),
        (
            "the flooding user's requests a second, sent and served",
            f"{flooded.asked[FLOOD] / seconds:.0f}  {flooded.answered(FLOOD) / seconds:.0f}",
        ),
        ("under full priority load: priority answers", str(served)),
        ("under full priority load: batch answers", f"{moved} of {batch}"),
    ]
    misses = []
    if beside > MOST * before:
        misses.append(f"p95 beside the flood is {beside / before:.2f} times the one solo")
    if missing:
        misses.append(f"{missing} requests of the others have no answer")
    if not flooded.answered(FLOOD):
        misses.append("the flooding user was not served at all")
    if not moved:
        misses.append("the batch topic stood still")
    for line in table(("what", "value"), rows, right=("value",)):
        say(line)
    for miss in misses:
        say(f"MISSED: {miss}")
    kept("fairness", {"rate": rate, "provider_ms": latency, "in_flight": in_flight, "figures": dict(rows)})
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    app()
