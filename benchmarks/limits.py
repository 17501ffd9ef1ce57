"""How well several workers share one provider limit: never over it in any minute, and hardly ever under it.

`python -m benchmarks.limits --workers 4 --tpm 100000 --minutes 4` starts real servers, workers, and an emulator that
keeps the limit in buckets of its own and refuses what is over it. Calls take 50 to 8,000 tokens and say nothing of it
beforehand (no maxTokens). What counts is the provider's bill: the tokens of every sixty seconds that begin with a call,
and how much of the limit the average minute used while there was work. `--kill` kills half of the workers on the way
and starts others. Exit code 0: at most 102 % in any minute, at least 95 % in the average one, and nothing refused.
"""

import asyncio
import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated, Final
from uuid import uuid4

import typer

from benchmarks.system import System, running_system
from fanzgpt_producers.bulk import publish_many
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.codec import new_request
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_workers.commands.output import Format, FormatOption, progress, say, show_json, table

MINUTE: Final = 60.0
MOST: Final = 1.02
LEAST: Final = 0.95
SMALLEST, LARGEST, SIZES = 50, 8_000, 24
CHARACTERS_PER_TOKEN: Final = 4

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One answered call: when it arrived, in seconds, and the tokens it took."""

    at: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Parts of the limit: the fullest minute that begins with a call, and the average minute under load."""

    fullest: float
    average: float


def output_sizes() -> list[int]:
    """The sizes of answers in tokens, evenly spread on a logarithmic scale."""
    ratio = (LARGEST / SMALLEST) ** (1 / (SIZES - 1))
    return [round(SMALLEST * ratio**step) for step in range(SIZES)]


def script(sizes: Sequence[int]) -> list[dict[str, object]]:
    """The emulator's rules: a request's id says how long its answer is."""
    return [
        {
            "match": {"request_id": f"*.{size}"},
            "action": {"do": "say", "text": "word" * size, "billed": True},
        }
        for size in sizes
    ]


def requests(sizes: Sequence[int], tokens: int, random: Random) -> Iterator[GenerationRequested]:
    """Chat messages whose answers come to so many tokens."""
    run, number = uuid4().hex[:8], 0
    while tokens > 0:
        size = random.choice(sizes)
        yield new_request(
            type="chat-response",
            request_id=f"{run}-{number}.{size}",
            user_id=f"user-{number % 50}",
            input={"message": "and? " * random.randint(1, 200)},
        )
        number, tokens = number + 1, tokens - size


def shares(taken: Sequence[Taken], limit: int, *, until: float) -> Shares:
    """See `Shares`; `until` is the last moment at which there was still work to do."""
    at = [each.at for each in taken]
    sums = [0, *accumulate(each.tokens for each in taken)]

    def inside(begin: float) -> int:
        return sums[bisect_left(at, begin + MINUTE)] - sums[bisect_left(at, begin)]

    whole = int(until - at[0] - MINUTE)
    average = sum(inside(at[0] + second) for second in range(whole)) / max(1, whole)
    return Shares(fullest=max(map(inside, at)) / limit, average=average / limit)


def answered(emulator: RunningEmulator) -> list[Taken]:
    """The answered calls of the bill, in the order they arrived."""
    return [
        Taken(
            at=datetime.fromisoformat(line["arrived_at"]).timestamp(),
            tokens=line["input_tokens"] + line["output_tokens"],
        )
        for line in emulator.bill()
        if line["status"] == 200
    ]


async def run(
    system: System, emulator: RunningEmulator, *, workers: int, tpm: int, minutes: float, kill: bool
) -> float:
    """Publish more than the minutes can take, let the workers have them; the moment at which it was looked last."""
    processes = [system.start("generation") for _ in range(workers)]
    sizes = output_sizes()
    emulator.script(script(sizes))
    backlog = requests(sizes, round(tpm * (minutes + 2.5)), Random(1))
    async with KafkaPublisher(system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], client_id="limits") as publisher:
        await publish_many(publisher, backlog, source="limits", priority="standard")
    total = round(minutes * MINUTE)
    with progress("seconds", total) as move:
        for second in range(total):
            await asyncio.sleep(1)
            move(second + 1)
            if kill and second == total // 3:
                for each in processes[: workers // 2]:
                    each.kill()
                for _ in processes[: workers // 2]:
                    await asyncio.to_thread(system.start, "generation")
    until = datetime.now().astimezone().timestamp()
    for process in system.processes:
        if process.popen.poll() is None:
            process.kill()
    return until


@app.command()
def main(
    workers: Annotated[int, typer.Option(min=1)] = 4,
    tpm: Annotated[int, typer.Option(min=10_000, help="Tokens a minute.")] = 100_000,
    minutes: Annotated[float, typer.Option(min=1.5, help="How long; 2 is short.")] = 4.0,
    latency: Annotated[str, typer.Option(help="Of the provider.")] = "2s",
    kill: Annotated[bool, typer.Option("--kill", help="Kill half of the workers at a third of the time.")] = False,
    bill: Annotated[Path | None, typer.Option(help="Keep the provider's bill there.")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """One limit, several workers."""
    settings = {
        "AI_RATE_LIMIT_RPM": "1000000",
        "AI_RATE_LIMIT_TPM": str(tpm),
        "AI_MAX_TOKENS": str(LARGEST),
        "OPENAI_MODEL": "gpt-4o-mini",
        "PROVIDER_TRANSPORT": "wire",
        "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
    }
    with (
        TemporaryDirectory() as temporary,
        running_emulator(bill or Path(temporary, "limited.jsonl"), tpm=tpm, latency=latency) as emulator,
    ):
        settings["OPENAI_BASE_URL"] = emulator.openai_base_url
        with running_system(Path(temporary), settings) as system:
            until = asyncio.run(run(system, emulator, workers=workers, tpm=tpm, minutes=minutes, kill=kill))
        taken = answered(emulator)
        refused = sum(line["status"] == 429 for line in emulator.bill())
    found = shares(taken, tpm, until=until)
    misses = []
    if found.fullest > MOST:
        misses.append(f"a minute held {found.fullest:.1%} of the limit")
    if found.average < LEAST and not kill:
        misses.append(f"the average minute used {found.average:.1%} of the limit")
    if refused and not kill:
        misses.append(f"the provider refused {refused} calls")
    if output is Format.JSON:
        show_json(
            {
                "workers": workers,
                "tokens_per_minute": tpm,
                "calls": len(taken),
                "fullest_minute": round(found.fullest, 4),
                "average_minute": round(found.average, 4),
                "refused": refused,
                "misses": misses,
            }
        )
    else:
        rows = [
            ("calls answered", str(len(taken))),
            ("fullest minute", f"{found.fullest:.1%} of the limit"),
            ("average minute", f"{found.average:.1%} of the limit"),
            ("calls the provider refused", str(refused)),
        ]
        for line in table(("what", "value"), rows, right=("value",)):
            say(line)
        for miss in misses:
            say(f"MISSED: {miss}")
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    app()
