"""A provider that dies for a minute: what it wastes, who answers meanwhile, and how soon it is used again.

`python -m benchmarks.breaker --dead 60` starts real servers, workers, and two providers in one emulator: requests go to
OpenAI's, and its fallback is Anthropic's. Requests are sent at a steady rate. After a while every call of the first is
answered 500 for the given time, then it is well again. A call to it is *wasted* that is answered 500: some before its
breaker opens, one a probe period afterwards, by all workers together. Every answer's price is on the provider's bill.

Exit code 0: wasted calls are at most those that open the breakers and one a probe period; every request was answered,
while the provider was dead by the fallback and at its price; and two probe periods after it is well, every call is
its again.
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer

from benchmarks.machine import kept
from benchmarks.system import System, running_system
from fanzgpt_producers.client import GenerationClient
from fanzgpt_producers.handle import Handle
from fanzgpt_workers.commands.output import progress, say, table
from fanzgpt_workers.core.breaker import BreakerPolicy

ANSWER_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.5

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds since the epoch: the provider's death and its recovery."""

    died: float
    well: float


async def run(system: System, *, rate: float, before: float, dead: float, after: float) -> tuple[Times, int]:
    """Send at a steady rate, kill and mend the provider on the way; when that was, and how many have no answer."""
    loop, handles = asyncio.get_running_loop(), list[Handle]()
    died = well = 0.0
    async with GenerationClient(bootstrap_servers=system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]) as client:
        start, number = loop.time(), 0
        with progress("seconds", round(before + dead + after)) as move:
            while (now := loop.time() - start) < before + dead + after:
                move(round(now))
                if not died and now >= before:
                    system.emulator.script([{"match": {"vendor": "openai"}, "action": {"do": "status", "status": 500}}])
                    died = datetime.now(UTC).timestamp()
                if not well and now >= before + dead:
                    system.emulator.unscript()
                    well = datetime.now(UTC).timestamp()
                given = {"topic": f"morning workout {number}", "platform": "instagram"}
                handles.append(await client.request("social-post", user_id=f"user-{number % 50}", input=given))
                number += 1
                await asyncio.sleep(max(0.0, start + number / rate - loop.time()))
        endings = await asyncio.gather(*(handle.ending(ANSWER_SECONDS) for handle in handles), return_exceptions=True)
    unanswered = sum(isinstance(ending, BaseException) or not hasattr(ending, "output") for ending in endings)
    return Times(died=died, well=well), unanswered


def at(line: dict[str, Any]) -> float:
    """When a call arrived, in seconds since the epoch."""
    return datetime.fromisoformat(line["arrived_at"]).timestamp()


@app.command()
def main(
    workers: Annotated[int, typer.Option(min=1)] = 2,
    rate: Annotated[float, typer.Option(help="Requests a second.")] = 40.0,
    before: Annotated[float, typer.Option(help="Seconds before it dies.")] = 5.0,
    dead: Annotated[float, typer.Option(help="Seconds for which it is dead.")] = 60.0,
    probe: Annotated[float, typer.Option(help="AI_BREAKER_PROBE_SECONDS.")] = 5.0,
    latency: Annotated[str, typer.Option(help="Of the providers.")] = "100ms",
) -> None:
    """One provider dies for a while."""
    settings = {
        "AI_FALLBACKS": "anthropic/claude-haiku-4-5",
        "AI_BREAKER_PROBE_SECONDS": f"{probe:g}",
        "PROVIDER_TRANSPORT": "wire",
    }
    with TemporaryDirectory() as temporary, running_system(Path(temporary), settings, latency=latency) as system:
        for _ in range(workers):
            system.start("generation")
        times, unanswered = asyncio.run(run(system, rate=rate, before=before, dead=dead, after=3 * probe))
        bill = system.emulator.bill()
    first = [line for line in bill if line["vendor"] == "openai"]
    wasted = [line for line in first if line["status"] != 200]
    probes = dead / probe + 1
    # Each worker finds out by itself until it has read what another one found; what is under way by then is lost, too.
    to_open = workers * (BreakerPolicy().least + rate * LOOK_SECONDS)
    late = [line for line in wasted if at(line) > times.died + probe]
    meanwhile = [line for line in bill if times.died + probe < at(line) < times.well and line["status"] == 200]
    by_fallback = [line for line in meanwhile if line["vendor"] == "anthropic"]
    full = times.well + 2 * probe
    astray = [line for line in bill if at(line) > full and line["vendor"] == "anthropic"]
    back = min((at(line) for line in first if line["status"] == 200 and at(line) > times.well), default=full)
    rows = [
        ("calls wasted before every breaker was open", str(len(wasted) - len(late))),
        ("calls wasted afterwards, probes", f"{len(late)} of at most {probes:.0f}"),
        ("answers while it was dead, by the fallback", f"{len(by_fallback)} of {len(meanwhile)}"),
        ("price of an answer by the fallback, nanodollars", f"{_mean_cost(by_fallback):.0f}"),
        ("price of an answer by the first, nanodollars", f"{_mean_cost([x for x in first if x['status'] == 200]):.0f}"),
        ("used again after it was well, seconds", f"{back - times.well:.1f}"),
        ("calls to the fallback two probe periods after", str(len(astray))),
        ("requests without an answer", str(unanswered)),
    ]
    misses = []
    if len(late) > probes or len(wasted) - len(late) > to_open:
        misses.append(f"{len(wasted)} calls were wasted")
    if len(by_fallback) != len(meanwhile):
        misses.append("the dead provider has answered")
    if astray:
        misses.append(f"{len(astray)} calls went to the fallback when the first was long well")
    if unanswered:
        misses.append(f"{unanswered} requests have no answer")
    for line in table(("what", "value"), rows, right=("value",)):
        say(line)
    for miss in misses:
        say(f"MISSED: {miss}")
    kept("breaker", {"workers": workers, "rate": rate, "dead": dead, "probe": probe, "figures": dict(rows)})
    sys.exit(1 if misses else 0)


def _mean_cost(lines: list[dict[str, Any]]) -> float:
    return sum(line["cost_nanodollars"] for line in lines) / max(1, len(lines))


if __name__ == "__main__":
    app()
