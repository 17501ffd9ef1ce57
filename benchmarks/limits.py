"""How well several workers share one provider limit: never over it in any minute, and hardly ever under it.

`python -m benchmarks.limits --workers 4 --tpm 100000 --minutes 8` starts real servers, workers, and an emulator that
keeps the limit in buckets of its own and refuses what is over it. Calls take 50 to 8,000 tokens and say nothing of it
beforehand (no maxTokens).

Both figures count the same tokens: those that the provider put on its bill, and took out of its bucket, at the instant
the call arrived there. *The fullest minute* is the most that any sixty seconds held (the most is always held by sixty
seconds that begin with a call); *used* is all that arrived in the whole minutes from the first call on, as a part of
what these minutes allow. `--kill` kills half of the workers on the way and starts others. Exit code 0: at most 102 % in
any minute, at least 95 % used, in each of the rounds.
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

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One answered call: when it arrived, in seconds, and the tokens it took."""

    at: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Parts of the limit: what the fullest sixty seconds held, and what was used of the whole minutes."""

    fullest: float
    used: float
    minutes: int


def output_sizes() -> list[int]:
    """The sizes of answers in tokens, evenly spread on a logarithmic scale."""
    ratio = (LARGEST / SMALLEST) ** (1 / (SIZES - 1))
    return [round(SMALLEST * ratio**step) for step in range(SIZES)]


def script(sizes: Sequence[int]) -> list[dict[str, object]]:
    """The emulator's rules: a request's id says how long its answer is."""
    return [
        {"match": {"request_id": f"*.{size}"}, "action": {"do": "say", "text": "word" * size, "billed": True}}
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


def shares(taken: Sequence[Taken], limit: int) -> Shares:
    """See `Shares`; calls in the order they arrived, for a minute at least."""
    at = [each.at for each in taken]
    sums = [0, *accumulate(each.tokens for each in taken)]
    fullest = max(sums[bisect_left(at, begin + MINUTE)] - sums[place] for place, begin in enumerate(at))
    minutes = int((at[-1] - at[0]) // MINUTE)
    whole = sums[bisect_left(at, at[0] + minutes * MINUTE)]
    return Shares(fullest=fullest / limit, used=whole / (limit * minutes), minutes=minutes)


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


async def run(system: System, emulator: RunningEmulator, *, workers: int, tpm: int, minutes: float, kill: bool) -> None:
    """Publish more than the minutes can take, and let the workers have them."""
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
    for process in system.processes:
        if process.popen.poll() is None:
            process.kill()


def misses(found: Shares, *, kill: bool) -> list[str]:
    """What is not as promised."""
    missed = []
    if found.fullest > MOST:
        missed.append(f"a minute held {found.fullest:.1%} of the limit")
    if found.used < LEAST and not kill:
        missed.append(f"{found.used:.1%} of the limit were used")
    return missed


@app.command()
def main(
    workers: Annotated[int, typer.Option(min=1)] = 4,
    tpm: Annotated[int, typer.Option(min=10_000, help="Tokens a minute.")] = 100_000,
    minutes: Annotated[float, typer.Option(min=1.2, help="How long a round is.")] = 8.2,
    rounds: Annotated[int, typer.Option(min=1)] = 1,
    latency: Annotated[str, typer.Option(help="Of the provider.")] = "1s",
    kill: Annotated[bool, typer.Option("--kill", help="Kill half of the workers at a third of the time.")] = False,
    bill: Annotated[Path | None, typer.Option(help="Keep the provider's bills in that folder.")] = None,
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
    done: list[tuple[Shares, int, int]] = []
    for each in range(rounds):
        with TemporaryDirectory() as temporary:
            path = (bill or Path(temporary)) / f"limited-{each}.jsonl"
            with running_emulator(path, tpm=tpm, latency=latency) as emulator:
                settings["OPENAI_BASE_URL"] = emulator.openai_base_url
                with running_system(Path(temporary), settings) as system:
                    asyncio.run(run(system, emulator, workers=workers, tpm=tpm, minutes=minutes, kill=kill))
                taken = answered(emulator)
                refused = sum(line["status"] == 429 for line in emulator.bill())
        done.append((shares(taken, tpm), len(taken), refused))
    missed = [miss for found, _, _ in done for miss in misses(found, kill=kill)]
    if output is Format.JSON:
        show_json(
            {
                "workers": workers,
                "tokens_per_minute": tpm,
                "latency": latency,
                "rounds": [
                    {
                        "minutes": found.minutes,
                        "calls": calls,
                        "fullest_minute": round(found.fullest, 4),
                        "used": round(found.used, 4),
                        "refused": refused,
                    }
                    for found, calls, refused in done
                ],
                "misses": missed,
            }
        )
    else:
        head = ("round", "minutes", "calls", "fullest minute", "used", "refused")
        rows = [
            (str(n), str(found.minutes), str(calls), f"{found.fullest:.1%}", f"{found.used:.1%}", str(refused))
            for n, (found, calls, refused) in enumerate(done)
        ]
        for line in table(head, rows, right=head[1:]):
            say(line)
        for miss in missed:
            say(f"MISSED: {miss}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    app()
