"""What requests cost that are due tomorrow: `python -m benchmarks.batches --requests 10000`.

Real servers, a generation worker and an emulator that keeps the bill: its batches take a while and cost half. Two
rounds: one in peace, one whose worker is killed while batches are being handed over and again while answers are taken
in, with the answer to one creation lost. *Price* is the bill as a part of what its tokens cost alone; *late* are
requests without an answer before their deadline; *paid twice* those with more than one billed call. Exit code 0: at
most 52 %, none late, none paid twice, and the ledger's sum is the bill's, in each of the rounds.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Annotated, Final
from uuid import uuid4

import asyncpg
import typer

from benchmarks.system import RunningProcess, System, running_system
from fanzgpt_producers.bulk import publish_many
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.codec import new_request
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.commands.output import Format, FormatOption, say, show_json, table

MOST: Final = 0.52
STANDARD_NANODOLLARS: Final = (150, 600)
"""Of an input and an output token of gpt-4o-mini."""
LONGEST_SECONDS: Final = 500.0
SETTINGS: Final = {
    "OPENAI_MODEL": "gpt-4o-mini",
    "BATCH_PROVIDERS": "openai",
    "BATCH_AGE_SECONDS": "2",
    "BATCH_MOST_CALLS": "2500",
    "BATCH_POLL_SECONDS": "0.5",
    "BATCH_LEASE_SECONDS": "10",
    "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
    "KAFKA_GROUP_INSTANCE_ID": "the-only-one",
}

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a round came to."""

    killed: bool
    requests: int
    price: float
    late: int
    paid_twice: int
    ledger_is_bill: bool
    seconds: float

    def misses(self) -> list[str]:
        """What is not as promised."""
        name = "with kills" if self.killed else "in peace"
        found = {
            f"{name}: {self.price:.1%} of the standard price": self.price > MOST,
            f"{name}: {self.late} late": self.late > 0,
            f"{name}: {self.paid_twice} paid twice": self.paid_twice > 0,
            f"{name}: the ledger's sum is not the bill's": not self.ledger_is_bill,
        }
        return [text for text, is_missed in found.items() if is_missed]


def requests(count: int) -> Iterator[GenerationRequested]:
    """Posts that are due tomorrow."""
    run, deadline = uuid4().hex[:8], datetime.now(UTC) + timedelta(days=1)
    for number in range(count):
        yield new_request(
            type="social-post",
            request_id=f"{run}-{number}",
            user_id=f"user-{number % 50}",
            input={"topic": f"workout {number}", "platform": "x"},
            deadline=deadline,
        )


async def reached(database: asyncpg.Connection, query: str, least: int, worker: RunningProcess) -> None:
    """Return once the query counts so many; raises where it takes too long, or the worker ended."""
    end = monotonic() + LONGEST_SECONDS
    while await database.fetchval(query) < least:
        if worker.popen.poll() is not None or monotonic() > end:
            raise SystemExit(f"not reached: {query}: {worker.log.read_text()[-2_000:]}")
        await asyncio.sleep(0.1)


async def run(system: System, *, count: int, kill: bool) -> Round:
    """Publish, wait for every ending, and judge."""
    began = monotonic()
    async with KafkaPublisher(system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], client_id="batches") as publisher:
        await publish_many(publisher, requests(count), source="batches", priority="batch")
    database: asyncpg.Connection = await asyncpg.connect(system.environ["DATABASE_URL"])
    try:
        worker = await asyncio.to_thread(system.start, "generation")
        if kill:
            for query in (
                "SELECT count(*) FROM ai_batches",
                "SELECT count(*) FROM ai_requests WHERE ended_at IS NOT NULL",
            ):
                await reached(database, query, 1, worker)
                worker.kill()
                worker = await asyncio.to_thread(system.start, "generation")
        await reached(database, "SELECT count(*) FROM ai_requests WHERE published_at IS NOT NULL", count, worker)
        seconds = monotonic() - began
        await asyncio.to_thread(worker.terminate)
        in_time = await database.fetchval(
            "SELECT count(*) FROM ai_requests WHERE state = 'completed' AND ended_at <= deadline"
        )
        request_of = {
            row["attempt_id"].hex: row["request_key"]
            for row in await database.fetch("SELECT attempt_id, request_key FROM ai_attempts")
        }
        ledger = await database.fetchval("SELECT sum(cost_usd) FROM ai_attempts")
    finally:
        await database.close()
    billed = [line for line in system.emulator.bill() if line["billed"]]
    each = Counter(request_of[line["attempt_id"].replace("-", "")] for line in billed)
    of_input, of_output = STANDARD_NANODOLLARS
    standard = sum(line["input_tokens"] * of_input + line["output_tokens"] * of_output for line in billed)
    cost = system.emulator.totals()["cost_nanodollars"]
    return Round(
        killed=kill,
        requests=count,
        price=cost / standard,
        late=count - in_time,
        paid_twice=sum(calls > 1 for calls in each.values()),
        ledger_is_bill=round(ledger * 10**9) == cost,
        seconds=seconds,
    )


@app.command()
def main(
    count: Annotated[int, typer.Option("--requests", min=1)] = 10_000,
    batch_seconds: Annotated[float, typer.Option(min=0, help="How long the provider takes for a batch.")] = 3.0,
    output: FormatOption = Format.TEXT,
) -> None:
    """The half-price lane, in peace and with kills."""
    done = []
    for kill in (False, True):
        with TemporaryDirectory() as folder, running_system(Path(folder), SETTINGS) as system:
            system.emulator.batches(seconds=batch_seconds, lose_creations=int(kill))
            done.append(asyncio.run(run(system, count=count, kill=kill)))
    missed = [miss for each in done for miss in each.misses()]
    if output is Format.JSON:
        rounds = [
            {
                "killed": each.killed,
                "requests": each.requests,
                "price": round(each.price, 4),
                "late": each.late,
                "paid_twice": each.paid_twice,
                "ledger_is_bill": each.ledger_is_bill,
                "seconds": round(each.seconds, 1),
            }
            for each in done
        ]
        show_json({"rounds": rounds, "misses": missed})
    else:
        head = ("worker", "requests", "price", "late", "paid twice", "seconds")
        rows = [
            (
                "killed" if each.killed else "in peace",
                str(each.requests),
                f"{each.price:.1%}",
                str(each.late),
                str(each.paid_twice),
                f"{each.seconds:.0f}",
            )
            for each in done
        ]
        for line in table(head, rows, right=head[1:]):
            say(line)
        for miss in missed:
            say(f"MISSED: {miss}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    app()
