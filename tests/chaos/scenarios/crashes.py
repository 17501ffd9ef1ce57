"""A process dies at each point between two durable steps, and the next one goes on."""

from pathlib import Path

from benchmarks.system import RunningProcess
from tests.chaos.arena import IN_FLIGHT, Arena, arena, wait_until
from tests.chaos.outcome import Outcome

from fanzgpt_stack.servers import StackServers

GENERATION_POINTS = (
    "after-fetch",
    "after-claim",
    "after-attempt",
    "mid-call",
    "after-answer",
    "after-settle",
    "mid-save",
    "after-save",
    "after-first-publish",
    "after-publish",
    "after-mark",
    "before-commit",
    "after-commit",
)
SINK_POINTS = ("after-fetch", "mid-store", "after-store", "before-commit", "after-commit")


def generation(stack: StackServers, folder: Path, *, seed: int, requests: int, rounds: int = 1) -> Outcome:
    """A generation worker is killed at each of its points in turn; nobody but it works, and sinks follow."""
    with arena(stack, folder, "crash-points", seed=seed) as field:
        field.start_sinks()
        points = [point for _ in range(rounds) for point in GENERATION_POINTS]
        field.random.shuffle(points)
        # One refused call a round, so that an attempt is settled without an answer.
        refuse = {"action": {"do": "status", "status": 529}, "times": 2 * rounds}
        for point in points:
            if point == "after-settle":
                field.system.emulator.script([refuse])
            load = field.load(requests, rate=10_000)
            # Calls are passed one by one, everything else in batches.
            deepest = requests // 2 if point in ("mid-call", "after-answer") else max(1, requests // (4 * IN_FLIGHT))
            nth = 1 if point == "after-settle" else field.random.randint(1, deepest)
            worker = field.system.spawn(
                "generation", FANZGPT_CRASH_AT=f"{point}:{nth}", KAFKA_GROUP_INSTANCE_ID="the-worker"
            )
            load.finish(60)
            died_at(field, worker, point)
        field.system.start("generation", KAFKA_GROUP_INSTANCE_ID="the-worker")
        field.until_ended()
        return field.finish(required={f"generation {point}": rounds for point in GENERATION_POINTS})


def sinks(stack: StackServers, folder: Path, *, seed: int, requests: int, names: tuple[str, ...]) -> Outcome:
    """Each sink is killed at each of its points in turn, with new events each time."""
    with arena(stack, folder, "sink-crash-points", seed=seed, latency="20ms") as field:
        field.system.start("generation")
        for point in SINK_POINTS:
            doomed = [
                field.system.spawn(name, FANZGPT_CRASH_AT=point, KAFKA_GROUP_INSTANCE_ID=f"the-{name}")
                for name in names
            ]
            field.load(requests, rate=10_000).finish(60)
            for sink in doomed:
                died_at(field, sink, point)
        for name in ("history-sink", "analytics-sink", "preferences-sink"):
            field.system.start(name, **({"KAFKA_GROUP_INSTANCE_ID": f"the-{name}"} if name in names else {}))
        field.until_ended()
        return field.finish(required={f"{name} {point}": 1 for name in names for point in SINK_POINTS})


def died_at(field: Arena, process: RunningProcess, point: str) -> None:
    """The process dies, and says that it was there; whatever else it dies of is no fault of this scenario."""
    wait_until(lambda: process.popen.poll() is not None, f"{process.name} dies at {point}", seconds=30)
    if f"crash point {point}\n" in process.log.read_text(errors="replace"):
        field.fired[f"{process.name} {point}"] += 1
    field.lost(process.name)
