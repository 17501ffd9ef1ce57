"""What a generation costs: one worker on a backlog, every promise on, its CPU per generation and its rate.

`python -m benchmarks.worker --requests 20000 --transport wire` publishes a backlog, starts one generation worker beside
a provider that answers at once, and reads the worker's own CPU time from when it is ready. No sinks run, so that two
cores are enough; ledger, order, caps, prices, metrics, logs and both events per answer are on. CPU per generation is
the figure to compare between machines' loads: it hardly depends on what else runs.

What a feature costs is the difference between rounds with and without it, in turn: `--without REDIS_URL --with
AI_RATE_LIMITS=openai:rpm=9999999,tpm=999999999,concurrent=5000` measures limits, breakers and cache kept in Redis.
"""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Annotated, Final

import typer

from benchmarks.system import System, running_system
from fanzgpt_producers.bulk import publish_many
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.codec import new_request
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.commands.output import Format, FormatOption, progress, say, show_json, table

STALL_SECONDS: Final = 60.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One worker's life."""

    cpu_ms: float
    per_second: float
    rss_mib: float


def backlog(number: int, users: int, round_number: int) -> Iterator[GenerationRequested]:
    """Short posts of many users."""
    for each in range(number):
        yield new_request(
            type="social-post",
            request_id=f"r{round_number}-{each}",
            user_id=f"user-{each % users}",
            input={"topic": f"morning workout {round_number}-{each}", "platform": "instagram"},
        )


async def one_round(system: System, number: int, users: int, round_number: int, settings: Mapping[str, str]) -> Round:
    """Publish, work it off, stop."""
    async with KafkaPublisher(system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], client_id="benchmark") as publisher:
        await publish_many(publisher, backlog(number, users, round_number), source="benchmark", priority="standard")
    before = system.emulator.stats()["finished"]
    worker = system.start("generation", **settings)
    cpu, began = worker.cpu_seconds(), monotonic()
    done, moved = 0, monotonic()
    with progress(f"round {round_number}", number) as move:
        while done < number:
            await asyncio.sleep(0.05)
            now = system.emulator.stats()["finished"] - before
            if now != done:
                done, moved = now, monotonic()
                move(done)
            if monotonic() - moved > STALL_SECONDS:
                raise RuntimeError(f"{done} of {number}; the worker says: {worker.log.read_text()[-2000:]}")
    seconds, rss = monotonic() - began, worker.peak_rss_mib()
    used = worker.cpu_seconds() - cpu
    worker.terminate()
    return Round(cpu_ms=1000 * used / number, per_second=number / seconds, rss_mib=rss)


@app.command()
def main(
    number: Annotated[int, typer.Option("--requests", min=1)] = 20_000,
    users: Annotated[int, typer.Option(min=1)] = 1_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    latency: Annotated[str, typer.Option(help="Of the provider.")] = "0ms",
    in_flight: Annotated[int, typer.Option(min=1)] = 256,
    transport: Annotated[str, typer.Option(help="sdk or wire.")] = "wire",
    with_: Annotated[list[str] | None, typer.Option("--with", help="NAME=VALUE, in every other round.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="NAME that the rounds between do not have.")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """One worker on a backlog."""
    settings = {"GENERATION_MAX_IN_FLIGHT": str(in_flight), "PROVIDER_TRANSPORT": transport}
    with TemporaryDirectory() as temporary, running_system(Path(temporary), settings, latency=latency) as system:
        added = dict(each.split("=", 1) for each in with_ or ())
        taken = dict.fromkeys(without or (), "")
        compares = bool(added or taken)
        bare, done = list[Round](), list[Round]()
        for each in range(rounds):
            if compares:
                bare.append(asyncio.run(one_round(system, number, users, 2 * each, taken)))
            done.append(asyncio.run(one_round(system, number, users, 2 * each + 1, added)))
    cost = median(each.cpu_ms for each in done) - median(each.cpu_ms for each in bare) if bare else None
    cpu, rate = median(each.cpu_ms for each in done), median(each.per_second for each in done)
    rss = max(each.rss_mib for each in done)
    if output is Format.JSON:
        show_json(
            {
                "transport": transport,
                "requests": number,
                "rounds": rounds,
                "cpu_ms_per_generation": round(cpu, 3),
                "generations_per_second": round(rate),
                "peak_rss_mib": round(rss),
                "cpu_ms_more_than_without": None if cost is None else round(cost, 3),
            }
        )
    else:
        rows = [
            (str(n), f"{each.cpu_ms:.3f}", f"{each.per_second:.0f}", f"{each.rss_mib:.0f}")
            for n, each in enumerate(done)
        ]
        rows = [
            (f"{n} without", f"{b.cpu_ms:.3f}", f"{b.per_second:.0f}", f"{b.rss_mib:.0f}") for n, b in enumerate(bare)
        ] + rows
        rows.append(("median", f"{cpu:.3f}", f"{rate:.0f}", f"{rss:.0f}"))
        head = ("round", "CPU ms per generation", "generations/s", "peak MiB")
        for line in table(head, rows, right=head[1:]):
            say(line)
        if cost is not None:
            say(f"{cost:.3f} ms more CPU per generation than without")
    sys.exit(0)


if __name__ == "__main__":
    app()
