"""Our worker beside its peers: the same broker, provider and requests, in interleaved rounds.

`python -m benchmarks.peers --rounds 3` prints, for each, the CPU of its process per generation and its rate, measured
between the first tenth of the answers and the last, so that nobody's start counts, and both as multiples of ours. Ours
does all it promises (ledger, order, caps, prices, metrics, logs, two events per answer), the peers do what their
programs say. Whoever does not finish in a minute is printed as such, with its count.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from benchmarks.machine import kept
from benchmarks.peers.environments import NotInstalled, python_of
from benchmarks.peers.running import IN_FLIGHT, PROGRAMS, Run, peer_process, published, watched
from benchmarks.system import System, running_system
from benchmarks.worker import backlog
from fanzgpt_producers.bulk import publish_many
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_workers.commands.output import progress, say, table

OURS: Final = {"ours": "wire", "ours over the SDK": "sdk"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def of_ours(system: System, name: str, number: int, round_number: int) -> Run:
    """The generation worker on a round's requests."""

    async def publish() -> None:
        async with KafkaPublisher(system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], client_id="benchmark") as publisher:
            await publish_many(publisher, backlog(number, 1_000, round_number), source="benchmark", priority="standard")

    asyncio.run(publish())
    before = system.emulator.stats()["finished"]
    worker = system.start("generation", PROVIDER_TRANSPORT=OURS[name])
    run = watched(system, worker, number, before=before)
    worker.terminate()
    return run


def of_peer(system: System, name: str, number: int, round_number: int) -> Run:
    """A peer's program on the same requests."""
    topic = f"peer-{name}-{round_number}"
    asyncio.run(published(system, topic, number, round_number))
    before = system.emulator.stats()["finished"]
    with peer_process(system, name, topic) as process:
        return watched(system, process, number, before=before)


def measured(names: Sequence[str], number: int, rounds: int) -> Mapping[str, list[Run]]:
    """Every round of everybody, in turns."""
    runs: dict[str, list[Run]] = {name: [] for name in names}
    settings = {"GENERATION_MAX_IN_FLIGHT": str(IN_FLIGHT)}
    with (
        TemporaryDirectory() as temporary,
        running_system(Path(temporary), settings) as system,
        progress("runs", rounds * len(names)) as move,
    ):
        for each in range(rounds):
            for place, name in enumerate(names):
                one = of_ours if name in OURS else of_peer
                runs[name].append(one(system, name, number, each * len(names) + place))
                move(each * len(names) + place + 1)
    return runs


@app.command()
def main(
    number: Annotated[int, typer.Option("--requests", min=100)] = 4_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    only: Annotated[list[str] | None, typer.Option(help="Of the peers.")] = None,
) -> None:
    """Ours and the peers."""
    peers, missing = [], []
    for name in only or PROGRAMS:
        try:
            python_of(name)
            peers.append(name)
        except NotInstalled as error:
            missing.append(str(error))
    runs = measured([*OURS, *peers], number, rounds)
    whole = {name: [run for run in every if run.answered == number] for name, every in runs.items()}
    cpu = {name: median(run.cpu_ms for run in every) for name, every in whole.items() if every}
    rate = {name: median(run.per_second for run in every) for name, every in whole.items() if every}
    rows: list[tuple[str, ...]] = []
    for name, every in runs.items():
        if name in cpu:
            spread = f"{min(run.cpu_ms for run in whole[name]):.2f} to {max(run.cpu_ms for run in whole[name]):.2f}"
            rss = max(run.rss_mib for run in every)
            times = f"{cpu[name] / cpu['ours']:.1f}", f"{rate['ours'] / rate[name]:.1f}"
            rows.append((name, f"{cpu[name]:.2f}", spread, times[0], f"{rate[name]:.0f}", times[1], f"{rss:.0f}"))
        else:
            rows.append((name, f"did not finish: {max(run.answered for run in every)} of {number}", *[""] * 5))
    head = ("who", "CPU ms per generation", "spread", "times ours", "per second", "ours times", "peak MiB")
    for line in table(head, rows, right=head[1:]):
        say(line)
    for line in missing:
        say(f"not measured: {line}")
    best = min((cpu[name] for name in peers if name in cpu), default=None)
    kept(
        "peers",
        {
            "requests": number,
            "rounds": rounds,
            "in_flight": IN_FLIGHT,
            "cpu_ms_per_generation": {name: [round(run.cpu_ms, 3) for run in every] for name, every in runs.items()},
            "per_second": {name: [round(run.per_second, 1) for run in every] for name, every in runs.items()},
            "answered": {name: [run.answered for run in every] for name, every in runs.items()},
            "best_peer_over_ours": None if best is None else round(best / cpu["ours"], 2),
        },
    )
    sys.exit(0 if "ours" in cpu else 1)


if __name__ == "__main__":
    app()
