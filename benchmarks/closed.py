"""A provider that says "not for thirty seconds": who calls it meanwhile, what the group does, how the backlog goes.

`python -m benchmarks.closed` starts real servers and workers that share one limit, sends requests at a steady rate,
lets the provider refuse one call with Retry-After, and goes on sending. The workers hold what comes; nobody may call
before the time is over, and no worker may lose its partitions over the waiting.

Exit code 0: no call arrived inside the window but those that had left before the refusal was heard; every request was
claimed in one generation of the consumer group; every request has its answer, and once the window is open again the
backlog goes faster than requests come.
"""

import asyncio
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import psycopg
import typer

from benchmarks.machine import kept
from benchmarks.system import System, running_system
from fanzgpt_producers.client import GenerationClient
from fanzgpt_workers.commands.output import progress, say, table

ANSWER_SECONDS: Final = 120.0
HEARD_SECONDS: Final = 0.25  # until the other workers have read in Redis what one was told

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(slots=True)
class Backlog:
    """Requests sent, answered, and when there were how many between."""

    sent: int = 0
    ended: int = 0
    waiting: list[tuple[float, int]] = field(default_factory=list)

    def most(self) -> int:
        """The longest it was."""
        return max(number for _, number in self.waiting)

    def short_again(self, since: float, number: int) -> float | None:
        """Seconds from `since` until no more than `number` waited; None where that never came."""
        return next((at - since for at, waiting in self.waiting if at > since and waiting <= number), None)


async def run(system: System, backlog: Backlog, *, rate: float, before: float, closed: float, after: float) -> None:
    """Send at a steady rate; one call on the way is refused with Retry-After."""
    loop, asking, told = asyncio.get_running_loop(), set[asyncio.Task[Any]](), False

    async def answered(client: GenerationClient, number: int) -> None:
        given = {"topic": f"morning workout {number}", "platform": "instagram"}
        handle = await client.request("social-post", user_id=f"user-{number % 50}", input=given)
        await handle.result(timeout=ANSWER_SECONDS)
        backlog.ended += 1

    async with GenerationClient(bootstrap_servers=system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]) as client:
        start = loop.time()
        with progress("seconds", round(before + closed + after)) as move:
            while (now := loop.time() - start) < before + closed + after:
                move(round(now))
                if not told and now >= before:
                    refusal = {"do": "status", "status": 429, "retry_after": closed}
                    system.emulator.script([{"action": refusal, "times": 1}])
                    told = True
                asking.add(asyncio.create_task(answered(client, backlog.sent)))
                backlog.sent += 1
                backlog.waiting.append((datetime.now().astimezone().timestamp(), backlog.sent - backlog.ended))
                await asyncio.sleep(max(0.0, start + backlog.sent / rate - loop.time()))
        await asyncio.gather(*asking)


def arrived(line: dict[str, Any]) -> float:
    """When a call arrived, in seconds since the epoch."""
    return datetime.fromisoformat(line["arrived_at"]).timestamp()


def generations(database_url: str) -> int:
    """In how many generations of the consumer group requests were claimed."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(DISTINCT term) FROM ai_requests").fetchone()
    return int(row[0]) if row else 0


@app.command()
def main(
    workers: Annotated[int, typer.Option(min=1)] = 3,
    rate: Annotated[float, typer.Option(help="Requests a second.")] = 30.0,
    before: Annotated[float, typer.Option(help="Seconds before the refusal.")] = 8.0,
    closed: Annotated[float, typer.Option(help="Retry-After, in seconds.")] = 30.0,
    after: Annotated[float, typer.Option(help="Seconds that are looked at afterwards.")] = 25.0,
    latency: Annotated[str, typer.Option(help="Of the provider.")] = "200ms",
) -> None:
    """One refusal that closes the window for everybody."""
    backlog = Backlog()
    limits = {"AI_RATE_LIMIT_RPM": "100000", "AI_RATE_LIMIT_TPM": "100000000", "KAFKA_SESSION_TIMEOUT_SECONDS": "10"}
    with TemporaryDirectory() as temporary, running_system(Path(temporary), limits, latency=latency) as system:
        for _ in range(workers):
            system.spawn("generation")
        while not all(process.is_ready() for process in system.processes):
            asyncio.run(asyncio.sleep(0.1))
        asyncio.run(run(system, backlog, rate=rate, before=before, closed=closed, after=after))
        bill = system.emulator.bill()
        terms = generations(system.endpoints["DATABASE_URL"])
    refusal = next(line for line in bill if line["status"] == 429)
    since = arrived(refusal) + refusal["delay"]  # nobody can know of it before it was told
    inside = [arrived(line) - since for line in bill if 0 < arrived(line) - since < closed]
    early = [seconds for seconds in inside if seconds > HEARD_SECONDS]
    short = backlog.short_again(since + closed, round(2 * rate))
    rows = [
        ("calls inside the window, by workers that had not heard yet", str(len(inside) - len(early))),
        ("calls inside the window, later", str(len(early))),
        ("the last of them after seconds", f"{max(inside, default=0):.2f}"),
        ("generations of the group in which requests were claimed", str(terms)),
        ("most requests that waited", str(backlog.most())),
        ("seconds after the window until they were gone", "never" if short is None else f"{short:.1f}"),
        ("requests and answers", f"{backlog.sent} and {backlog.ended}"),
        ("calls billed", str(sum(line["status"] == 200 for line in bill))),
    ]
    for line in table(("what", "value"), rows, right=("value",)):
        say(line)
    misses = []
    if early:
        misses.append(f"{len(early)} calls came before the provider wanted them")
    if terms != 1:
        misses.append(f"the group changed {terms - 1} times")
    if short is None:
        misses.append("the backlog did not go")
    for miss in misses:
        say(f"MISSED: {miss}")
    kept("closed", {"workers": workers, "rate": rate, "retry_after": closed, "figures": dict(rows)})
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    app()
