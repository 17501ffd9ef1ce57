"""A worker with very much before it and little memory."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

import psycopg
from tests.chaos.arena import Arena, arena, wait_until
from tests.chaos.load import flood, requests
from tests.chaos.outcome import Outcome, never_fired
from tests.chaos.scenarios.records import committed

from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_producers.requesting import encode_request
from fanzgpt_stack.servers import StackServers
from fanzgpt_workers.core.origin import Partition

LIMIT_MIB = 300
FLAT_MIB = 40.0
"""What memory may grow by between the first third of a run and the last: an allocator's slack, not a backlog."""
_CGROUPS = Path("/sys/fs/cgroup/memory")


def backlog(stack: StackServers, folder: Path, *, seed: int, waiting: int, seconds: float) -> Outcome:
    """One worker comes to so many waiting requests, is held to its memory by the kernel, and works for a while."""
    with arena(
        stack,
        folder,
        "backlog",
        seed=seed,
        latency="100ms",
        GENERATION_MAX_IN_FLIGHT="512",
        GENERATION_DRAIN_SECONDS="30",
    ) as field:
        flood(field.system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], field.prefix, waiting)
        with _memory_limit(LIMIT_MIB) as confine:
            worker = field.system.spawn("generation")
            if confine(worker.popen.pid):
                field.fired["memory limit of the kernel"] += 1
            samples: list[float] = []
            wait_until(worker.is_ready, "the worker is ready")
            began = monotonic()
            while monotonic() - began < seconds and worker.popen.poll() is None:
                samples.append(_rss_mib(worker.popen.pid))
                sleep(0.25)
            passed_over = _passed_over_by_priority(field)
            peak, third = worker.peak_rss_mib(), len(samples) // 3
            code = worker.terminate()
        answered = field.count("SELECT count(*) FROM ai_requests WHERE state <> 'claimed'")
        field.fired["requests waiting"] = waiting
        growth = max(samples[-third:]) - max(samples[:third])
        misses = [*never_fired(field.fired, {"requests waiting": waiting}), *_lost(field)]
        if code:
            misses.append(f"the worker ended with {code}")
        if peak > LIMIT_MIB:
            misses.append(f"the worker held {peak:.0f} MiB, more than {LIMIT_MIB}")
        if growth > FLAT_MIB:
            misses.append(f"its memory grew by {growth:.0f} MiB while it worked")
        field.progress.stop()
        return Outcome(
            scenario="backlog",
            seed=seed,
            seconds=monotonic() - field.began,
            fired=dict(field.fired),
            counts={"requests": waiting, "answered meanwhile": answered, "calls": len(field.system.emulator.bill())},
            misses=tuple(misses),
            notes={
                "peak RSS, MiB": round(peak),
                "growth of RSS, MiB": round(growth),
                "answered a second": round(answered / seconds),
                "a priority request behind the backlog, s": round(passed_over, 2),
            },
        )


def _passed_over_by_priority(field: Arena) -> float:
    """Seconds that a request of the priority topic takes, with all that before it on the other."""
    [urgent] = requests(f"{field.prefix}-urgent", 1)

    async def publish() -> None:
        async with KafkaPublisher(field.system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]) as publisher:
            await publisher.publish(
                [encode_request(urgent, time=datetime.now(UTC), source="chaos", priority="priority")]
            )

    began = monotonic()
    asyncio.run(publish())
    ended = f"SELECT count(*) FROM ai_requests WHERE request_id = '{urgent.request_id}' AND state <> 'claimed'"
    wait_until(lambda: field.count(ended) == 1, "the urgent request has ended")
    return monotonic() - began


def _lost(field: Arena) -> Iterator[str]:
    """Requests below the place from which the group goes on that have no ending; those above it still wait."""
    places = asyncio.run(committed(field, "generation"))
    below = sum(offset - field.since[at] for at, offset in places.items() if offset > field.since[at])
    with psycopg.connect(field.system.endpoints["DATABASE_URL"]) as connection:
        ended: list[tuple[str, int, int]] = connection.execute(
            "SELECT origin_topic, origin_partition, origin_offset FROM ai_requests WHERE state <> 'claimed'"
        ).fetchall()
    found = sum(field.since[at] <= offset < places[at] for *place, offset in ended for at in [Partition(*place)])
    if found != below:
        yield f"requests lost: {below - found}, not 0"


def _rss_mib(pid: int) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def _memory_limit(mib: int) -> Iterator[Callable[[int], bool]]:
    """A way to hold a process to its memory; where the system does not allow it, what it holds is only measured."""
    group = _CGROUPS / f"fanzgpt-{uuid4().hex[:8]}"
    with suppress(OSError):
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(mib * 1024 * 1024))

    def confine(pid: int) -> bool:
        with suppress(OSError):
            (group / "cgroup.procs").write_text(str(pid))
            return True
        return False

    try:
        yield confine
    finally:
        with suppress(OSError):
            group.rmdir()
