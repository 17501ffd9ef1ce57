"""What storing a completion costs: the history sink beside the loops that people begin with.

`python -m benchmarks.sinks` first gives the same rows to four writers in turns (ours, a transaction a row, the driver's
executemany, COPY through a staging table), statistics of the users included, and counts rows a second; then it lets
one sink process work off a backlog on its topic, from Kafka to committed rows, and reads its rate and its CPU.
"""

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter
from typing import Annotated, Final
from uuid import uuid4

import asyncpg
import typer

from benchmarks import writers
from benchmarks.machine import kept
from benchmarks.system import System, running_system
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.codec import Encoded, encode
from fanzgpt_schemas.generation import GenerationCompleted, GenerationMetadata, TokenUsage
from fanzgpt_schemas.identity import user_key
from fanzgpt_workers.commands.output import say, table
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.records import Record
from fanzgpt_workers.sink_ports import HistoryRow
from fanzgpt_workers.sinks.rows import history_row
from fanzgpt_workers.stores.database import open_database
from fanzgpt_workers.stores.postgres_sink_store import PostgresSinkStore
from fanzgpt_workers.stores.sink_rows import HISTORY

TOPIC: Final = "ai.generation.completed"
USERS: Final = 1_000
BATCH: Final = 500
STALL_SECONDS: Final = 60.0
POSITION: Final = "SELECT coalesce(sum(next_offset), 0)::bigint FROM ai_sink_offsets WHERE group_name = $1"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def completions(number: int) -> Iterator[Encoded]:
    """Completions of many users, each under a new id."""
    metadata = GenerationMetadata(
        provider="openai", model="gpt-4o-mini", tokens=TokenUsage(input=120, output=60), cost_usd=0.000054
    )
    for each in range(number):
        event = GenerationCompleted(
            request_id=f"r-{each}",
            user_id=f"user-{each % USERS}",
            type="social-post",
            input={"topic": f"morning workout {each}", "platform": "instagram"},
            output={"post": "Up early, shoes on, out of the door. " * 6},
            metadata=metadata,
        )
        yield encode(event, event_id=uuid4(), time=datetime.now(UTC), source="benchmark")


def rows(number: int) -> list[HistoryRow]:
    """The same as rows."""
    return [
        history_row(Record(Origin(TOPIC, 0, place), 0, event.key, event.value, event.headers))
        for place, event in enumerate(completions(number))
    ]


async def writing(system: System, number: int, rounds: int) -> dict[str, list[float]]:
    """Rows a second of every writer, in turns."""
    url = system.endpoints["DATABASE_URL"]
    connection = await asyncpg.connect(url)
    rates: dict[str, list[float]] = {}
    try:
        await connection.executemany(
            "INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING",
            [(user_key(f"user-{n}"),) for n in range(USERS)],
        )
        async with await open_database(url, size=1, application="benchmark") as database:
            store = PostgresSinkStore(database, group="benchmark", kind=HISTORY, unknown_users="dead-letter")
            every = {
                "ours": writers.ours(store, TOPIC),
                "a transaction a row": writers.one_by_one(connection),
                "executemany": writers.executemany(connection),
                "COPY, then one statement": writers.copied(connection),
            }
            for _ in range(rounds):
                for name, write in every.items():
                    given = rows(number // 10 if name == "a transaction a row" else number)
                    began = perf_counter()
                    for first in range(0, len(given), BATCH):
                        await write(given[first : first + BATCH])
                    rates.setdefault(name, []).append(len(given) / (perf_counter() - began))
    finally:
        await connection.close()
    return rates


async def sinking(system: System, number: int) -> tuple[float, float]:
    """Rows a second and CPU microseconds a row of one sink process, between the first tenth and the last."""
    async with KafkaPublisher(system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], client_id="benchmark") as publisher:
        events = list(completions(number))
        for first in range(0, number, 5_000):
            await publisher.publish(events[first : first + 5_000])
    connection = await asyncpg.connect(system.endpoints["DATABASE_URL"])
    try:
        before: int = await connection.fetchval(POSITION, "fanzgpt.history-sink")
        sink = await asyncio.to_thread(system.start, "history-sink")
        began: tuple[float, float, int] | None = None
        done, moved = 0, monotonic()
        while done < number:
            await asyncio.sleep(0.02)
            now: int = await connection.fetchval(POSITION, "fanzgpt.history-sink") - before
            if now != done:
                done, moved = now, monotonic()
            if began is None and done >= number / 10:
                began = (monotonic(), sink.cpu_seconds(), done)
            if monotonic() - moved > STALL_SECONDS:
                raise RuntimeError(f"{done} of {number} rows; the sink says: {sink.log.read_text()[-2000:]}")
    finally:
        await connection.close()
    at, cpu, first = began or (monotonic(), 0.0, 0)
    counted = max(1, number - first)
    result = counted / (monotonic() - at), (sink.cpu_seconds() - cpu) / counted * 1e6
    sink.terminate()
    return result


@app.command()
def main(
    number: Annotated[int, typer.Option("--rows", min=1_000)] = 20_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Ours beside the others."""
    with TemporaryDirectory() as temporary, running_system(Path(temporary), {}) as system:
        rates = asyncio.run(writing(system, number, rounds))
        processes = [asyncio.run(sinking(system, 2 * number)) for _ in range(rounds)]
    middle = {name: median(every) for name, every in rates.items()}
    lines = [
        (name, f"{rate:.0f}", f"{min(rates[name]):.0f} to {max(rates[name]):.0f}", f"{middle['ours'] / rate:.1f}")
        for name, rate in middle.items()
    ]
    for line in table(("writer", "rows/s", "spread", "ours times"), lines, right=("rows/s", "spread", "ours times")):
        say(line)
    rate, cpu = median(each for each, _ in processes), median(each for _, each in processes)
    say(f"the sink process, Kafka to commit: {rate:.0f} rows/s, {cpu:.0f} µs of its CPU a row")
    kept(
        "sinks",
        {
            "rows": number,
            "batch": BATCH,
            "rows_per_second": {name: [round(each) for each in every] for name, every in rates.items()},
            "ours_over_row_by_row": round(middle["ours"] / middle["a transaction a row"], 1),
            "process": {
                "rows_per_second": [round(each) for each, _ in processes],
                "cpu_us_per_row": [round(each, 1) for _, each in processes],
            },
        },
    )
    sys.exit(0)


if __name__ == "__main__":
    app()
