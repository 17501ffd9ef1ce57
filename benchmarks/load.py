"""Requests through the whole system: how fast, and whether every one of them is where it was promised to be.

`python -m benchmarks.load --requests 10000 --users 500 --latency 200ms --in-flight 512` starts real servers, the
emulator, generation workers and the three sinks, publishes the requests, waits for the last row, and compares rows,
statistics, ledger, topic and the provider's bill. `--kill-at 0.5` kills a worker when half of the calls are billed, and
starts another. Exit code 0: everything is as promised; 1: the table says what is not.
"""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Annotated, Final

import asyncpg
import typer

from benchmarks.system import SINKS, RunningProcess, System, running_system
from benchmarks.verdict import Verdict, judge
from fanzgpt_producers.bulk import publish_many
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.codec import new_request
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.commands.output import Format, FormatOption, progress, say, show_json, table

STALL_SECONDS: Final = 60.0
ROWS: Final = """
SELECT least((SELECT count(*) FROM ai_generation_history), (SELECT count(*) FROM ai_analytics)), clock_timestamp()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked of the system."""

    requests: int
    users: int
    workers: int
    kill_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a run went; `seconds` from the first call at the provider to the last row in PostgreSQL."""

    seconds: float
    killed_in_flight: int
    worker_cpu_seconds: float
    worker_rss_mib: float
    sink_cpu_seconds: float
    verdict: Verdict


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Stalled(Exception):
    """No row was added for a minute."""


def requests(load: Load) -> Iterator[GenerationRequested]:
    """Social posts of the users in turn."""
    for number in range(load.requests):
        yield new_request(
            type="social-post",
            request_id=f"load-{number}",
            user_id=f"user-{number % load.users}",
            input={"topic": f"morning workout {number}", "platform": "instagram"},
        )


async def run(system: System, load: Load) -> Course:
    """Publish, wait for the last row, stop every process, and judge."""
    workers = [system.start("generation") for _ in range(load.workers)]
    sinks = [system.start(name) for name in SINKS]
    async with KafkaPublisher(system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], client_id="load") as publisher:
        killed = 0
        async with asyncio.TaskGroup() as group:
            group.create_task(publish_many(publisher, requests(load), source="load", priority="standard"))
            if load.kill_at is not None:
                killed = await _kill_when(system, workers, int(load.kill_at * load.requests))
            last_row = await _all_rows(system, load.requests)
    cpu = sum(w.cpu_seconds() for w in workers if w.popen.poll() is None)
    rss = max(w.peak_rss_mib() for w in workers if w.popen.poll() is None)
    sink_cpu = sum(sink.cpu_seconds() for sink in sinks)
    exits = {p.name: p.terminate() for p in system.processes if p.popen.poll() is None}
    if any(exits.values()):
        raise RuntimeError(f"a process did not end well: {exits}")
    began = min(datetime.fromisoformat(line["arrived_at"]) for line in system.emulator.bill())
    return Course(
        seconds=(last_row - began).total_seconds(),
        killed_in_flight=killed,
        worker_cpu_seconds=cpu,
        worker_rss_mib=rss,
        sink_cpu_seconds=sink_cpu,
        verdict=await judge(system),
    )


async def _kill_when(system: System, workers: list[RunningProcess], calls: int) -> int:
    """Kill the first worker once so many calls were made, start another; the calls that were in flight.

    In flight is what the ledger knows to be: a call whose answer had come and was not saved yet is lost as well.
    """
    while system.emulator.stats()["calls"] < calls:
        await asyncio.sleep(0.02)
    workers[0].kill()
    connection = await asyncpg.connect(system.endpoints["DATABASE_URL"])
    try:
        in_flight: int = await connection.fetchval("SELECT count(*) FROM ai_attempts WHERE outcome IS NULL")
    finally:
        await connection.close()
    workers.append(await asyncio.to_thread(system.start, "generation"))
    return in_flight


async def _all_rows(system: System, wanted: int) -> datetime:
    """The database's time when the last of the rows, of both kinds, was seen; raises Stalled."""
    connection = await asyncpg.connect(system.endpoints["DATABASE_URL"])
    seen, moved = -1, monotonic()
    try:
        with progress("rows", wanted) as move:
            while True:
                [(rows, now)] = await connection.fetch(ROWS)
                move(rows)
                if rows >= wanted:
                    return now  # type: ignore[no-any-return]  # a TIMESTAMPTZ
                if rows != seen:
                    seen, moved = rows, monotonic()
                if monotonic() - moved > STALL_SECONDS:
                    raise Stalled(f"{rows} of {wanted} rows, and no more for {STALL_SECONDS:g} s")
                await asyncio.sleep(0.1)
    finally:
        await connection.close()


@app.command()
def main(
    number: Annotated[int, typer.Option("--requests", min=1)] = 10_000,
    users: Annotated[int, typer.Option(min=1)] = 500,
    latency: Annotated[str, typer.Option(help="Of the provider.")] = "200ms",
    in_flight: Annotated[int, typer.Option(min=1, help="Calls at once in each worker.")] = 512,
    workers: Annotated[int, typer.Option(min=1, help="Generation workers.")] = 1,
    transport: Annotated[str, typer.Option(help="sdk or wire.")] = "sdk",
    kill_at: Annotated[float | None, typer.Option(help="kill -9 of a worker after this share of the calls.")] = None,
    at_least: Annotated[float | None, typer.Option(help="Requests a second that are required.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Keep logs and bill there.")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Requests through the whole system."""
    load = Load(requests=number, users=users, workers=workers, kill_at=kill_at)
    settings = {
        "GENERATION_MAX_IN_FLIGHT": str(in_flight),
        "PROVIDER_TRANSPORT": transport,
        "KAFKA_SESSION_TIMEOUT_SECONDS": "10",
    }
    with TemporaryDirectory() as temporary:
        home = folder or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        with running_system(home, settings, latency=latency) as system:
            course = asyncio.run(run(system, load))
    misses = course.verdict.misses(requests=number, lost_calls=course.killed_in_flight)
    rate = number / course.seconds
    if course.killed_in_flight > in_flight:
        misses.append(f"{course.killed_in_flight} calls were in flight, more than {in_flight}")
    if at_least is not None and rate < at_least:
        misses.append(f"{rate:.0f} requests/s, fewer than {at_least:g}")
    if output is Format.JSON:
        show_json(
            {
                "requests": number,
                "seconds": round(course.seconds, 3),
                "requests_per_second": round(rate, 1),
                "worker_cpu_ms_per_request": round(1000 * course.worker_cpu_seconds / number, 3),
                "worker_peak_rss_mib": round(course.worker_rss_mib),
                "killed_in_flight": course.killed_in_flight,
                "counts": dict(course.verdict.as_rows()),
                "misses": misses,
            }
        )
    else:
        rows = [
            ("requests/s, first call to last row", f"{rate:.0f}"),
            ("CPU of the workers per request", f"{1000 * course.worker_cpu_seconds / number:.2f} ms"),
            ("CPU of the three sinks per request", f"{1000 * course.sink_cpu_seconds / number:.2f} ms"),
            ("peak memory of a worker", f"{course.worker_rss_mib:.0f} MiB"),
            ("calls in flight at the kill", str(course.killed_in_flight)),
            *course.verdict.as_rows(),
        ]
        for line in table(("what", "value"), rows, right=("value",)):
            say(line)
        for miss in misses:
            say(f"MISSED: {miss}")
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    app()
