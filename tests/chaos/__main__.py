"""Every scenario at its full size, on three brokers, and the verdict page.

`python -m tests.chaos --into FOLDER` takes an hour on two cores; `--scale 0.1` a tenth of every number; `--only NAME`
chooses scenarios. Exit code 0: every promise was kept in every scenario.
"""

import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from benchmarks.system import SINKS
from tests.chaos.outcome import Outcome
from tests.chaos.page import write
from tests.chaos.scenarios import away, crashes, letters, memory, provider, records, storage, upgrades, workers

from fanzgpt_stack.servers import StackServers
from fanzgpt_stack.testing import running_stack

Scenario = Callable[[StackServers, Path], Outcome]


def scenarios(seed: int, scale: float, before: str | None = None) -> dict[str, Scenario]:
    """All of them by name, at their full sizes times `scale`; `before` is the `fanzgpt` of an earlier release."""

    def of(number: int, least: int = 1) -> int:
        return max(least, round(number * scale))

    return {
        "crash-points": partial(crashes.generation, seed=seed, requests=of(250, 30), rounds=of(16)),
        "sink-crash-points": partial(crashes.sinks, seed=seed, requests=of(1_000, 30), names=SINKS),
        "redrive": partial(letters.redriven, seed=seed, requests=of(300, 20), rounds=of(20, 3)),
        "random-kills": partial(
            workers.kills, seed=seed, requests=of(50_000, 500), kills=of(200, 3), workers=3, rate=100
        ),
        "rebalance-storm": partial(
            workers.storm, seed=seed, requests=of(100_000, 500), restarts=of(128, 6), workers=of(8, 3), rate=100
        ),
        "zombies": partial(
            workers.zombies,
            seed=seed,
            requests=1_000,
            rounds=of(5),
            at_once=of(4),
            stopped_seconds=max(8, min(60, 60 * scale)),
        ),
        "database-restarts": partial(
            away.database_restarts,
            seed=seed,
            requests=of(5_000, 300),
            restarts=of(20, 2),
            every=(5 * scale, 20 * scale),
        ),
        "database-down": partial(away.database_down, seed=seed, requests=of(5_000, 300), seconds=of(60, 6)),
        "database-network": partial(away.database_network, seed=seed, requests=of(5_000, 1_500), latency=0.5),
        "database-slow": partial(away.database_slow, seed=seed, requests=of(5_000, 300), latency=0.5),
        "broker-bounces": partial(away.broker_bounces, seed=seed, requests=of(6_000, 400), rounds=of(3)),
        "brokers-away": partial(
            away.brokers_away, seed=seed, requests=of(5_000, 400), rounds=of(6, 2), seconds=of(60, 8)
        ),
        "double-faults": partial(away.double_faults, seed=seed, requests=of(5_000, 400), rounds=of(10, 2)),
        "cache-away": partial(away.cache, seed=seed, requests=of(5_000, 1_200), rounds=of(3), seconds=5, rpm=1_500),
        "provider-script": partial(provider.scripted, seed=seed, each=of(20, 2)),
        "poison": partial(records.poison, seed=seed, requests=of(20_000, 400), one_in=50, rate=50),
        "replay": partial(records.replay, seed=seed, requests=of(10_000, 400)),
        "rolling-upgrade": partial(
            upgrades.rolling, seed=seed, requests=of(6_000, 300), rounds=of(4, 2), rate=40, before=before
        ),
        "disks-full": partial(storage.disks_full, seed=seed, requests=of(4_000, 400), seconds=of(20, 3)),
        "backlog": partial(memory.backlog, seed=seed, waiting=of(1_000_000, 20_000), seconds=of(120, 15)),
    }


def run(
    into: Annotated[Path, typer.Option(help="Folder of the verdict page.")],
    seed: Annotated[int, typer.Option(help="Of every choice that the nemesis makes.")] = 1,
    scale: Annotated[float, typer.Option(min=0.001, max=10, help="Times every size.")] = 1.0,
    only: Annotated[list[str] | None, typer.Option(help="A scenario; may be given more than once.")] = None,
    brokers: Annotated[int, typer.Option(help="1 or 3.")] = 3,
    before: Annotated[str | None, typer.Option(help="The `fanzgpt` of an earlier release, to upgrade from.")] = None,
) -> None:
    """Every scenario, one after another; the page is written after each."""
    chosen = {name: act for name, act in scenarios(seed, scale, before).items() if not only or name in only}
    outcomes: list[Outcome] = []
    with running_stack(into / "stack", brokers=brokers) as stack:
        for name, act in chosen.items():
            shutil.rmtree(into / "logs" / name, ignore_errors=True)
            outcomes.append(_one(name, act, stack, into / "logs", seed))
            write(into, outcomes, at=datetime.now(UTC), brokers=brokers)
            told = outcomes[-1]
            typer.echo(f"{told.verdict:8} {name}: {told.seconds:.0f} s, {told.counts.get('requests', 0)} requests")
            for miss in told.misses:
                typer.echo(f"         {miss}")
            stack.up()  # whatever a broken-off scenario left behind
    sys.exit(_exit_code(outcomes))


def _one(name: str, act: Scenario, stack: StackServers, folder: Path, seed: int) -> Outcome:
    """The scenario's outcome; one that breaks off is a miss with its reason."""
    try:
        return act(stack, folder)
    except Exception as error:  # noqa: BLE001  # the page tells it, and the others run all the same
        traceback.print_exc()
        told = f"broke off: {type(error).__name__}: {error}"
        return Outcome(scenario=name, seed=seed, seconds=0.0, fired={}, counts={}, misses=(told,))


def _exit_code(outcomes: Sequence[Outcome]) -> int:
    return 0 if outcomes and all(outcome.verdict == "kept" for outcome in outcomes) else 1


if __name__ == "__main__":
    typer.run(run)
