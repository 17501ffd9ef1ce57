"""One scenario's system: servers that others use too, and a database, groups and a provider of its own."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, sleep
from uuid import uuid4

import psycopg
import redis
from benchmarks.system import SINKS, RunningProcess, System, environ_of
from tests.chaos.judging import Places, ends_of, judge
from tests.chaos.load import ACKNOWLEDGED_SECONDS, Load, requests
from tests.chaos.outcome import Outcome, never_fired
from tests.chaos.progress import Progress
from tests.chaos.servers import Servers
from tests.conftest import database
from tests.e2e.topics import begin_here

from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_stack.emulator.testing import running_emulator
from fanzgpt_stack.servers import StackServers
from fanzgpt_workers.stores.migrate import migrate

IN_FLIGHT = 64
STALL_SECONDS = 90.0
RECOVERS_WITHIN = 60.0
_CALL_MARGIN = 2.0


@dataclass(slots=True)
class Arena:
    """A running system under a nemesis; `fired` counts the faults that really happened."""

    scenario: str
    seed: int
    system: System
    servers: Servers
    prefix: str
    since: Places
    progress: Progress
    random: Random
    wanted: list[GenerationRequested]
    loads: list[Load] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)
    lost_calls: int = 0
    began: float = field(default_factory=monotonic)

    def load(self, number: int, *, rate: float, users: int = 40) -> Load:
        """Begin to publish so many requests, so many a second."""
        return self.publish(requests(f"{self.prefix}-{len(self.loads)}", number, users=users), rate=rate)

    def publish(self, wanted: list[GenerationRequested], *, rate: float = 10_000) -> Load:
        """Begin to publish these; each of them is to have its ending."""
        self.wanted += wanted
        load = Load(self.system.endpoints["KAFKA_BOOTSTRAP_SERVERS"], wanted, rate=rate)
        self.loads.append(load)
        load.start()
        return load

    def start_sinks(self) -> list[RunningProcess]:
        """The three, ready."""
        started = [self.system.spawn(name) for name in SINKS]
        wait_until(lambda: all(sink.is_ready() for sink in started), "the sinks are ready")
        return started

    def kill(self, process: RunningProcess) -> None:
        """SIGKILL; the calls that were in flight then are those that may be paid for again."""
        process.kill()
        self.lost(process.name)
        self.fired["SIGKILL"] += 1

    def lost(self, name: str) -> None:
        """A process of this name has died as if killed: note the calls that were in flight."""
        if name == "generation":
            self.lost_calls += min(IN_FLIGHT, self.count("SELECT count(*) FROM ai_attempts WHERE outcome IS NULL"))
        self.progress.healed()

    def count(self, query: str) -> int:
        """One number from the database, once it answers."""
        until = monotonic() + STALL_SECONDS
        while True:
            try:
                with psycopg.connect(self.system.endpoints["DATABASE_URL"], connect_timeout=2) as connection:
                    found = connection.execute(query.encode()).fetchone()
                    return int(found[0]) if found else 0
            except psycopg.OperationalError:
                if monotonic() > until:
                    raise
                sleep(0.1)

    def running(self, name: str) -> list[RunningProcess]:
        """The processes of this name that have not ended."""
        return [each for each in self.system.processes if each.name == name and each.popen.poll() is None]

    def until_ended(self, seconds: float = STALL_SECONDS) -> None:
        """Return once every request has its ending and its rows; fails when nothing moves for so long."""
        for load in self.loads:
            load.finish(seconds + load.seconds)
        moved, seen = monotonic(), (-1, -1)
        while True:
            ended = self.count("SELECT count(*) FROM ai_requests WHERE state <> 'claimed'")
            rows = self.count(
                "SELECT (SELECT count(*) FROM ai_analytics) + (SELECT count(*) FROM ai_generation_history)"
            )
            completed = self.count("SELECT count(*) FROM ai_requests WHERE state = 'completed'")
            if ended >= len(self.wanted) and rows >= ended + completed:
                return
            if (ended, rows) != seen:
                moved, seen = monotonic(), (ended, rows)
            if monotonic() - moved > seconds:
                raise Stalled(f"{ended} of {len(self.wanted)} requests have ended, {rows} rows, and nothing moves")
            sleep(0.1)

    def until_answered(self, seconds: float = STALL_SECONDS) -> None:
        """Return once every request has its ending, with rows or without; fails when nothing moves for so long."""
        moved, seen = monotonic(), -1
        while (ended := self.count("SELECT count(*) FROM ai_requests WHERE state <> 'claimed'")) < len(self.wanted):
            if ended != seen:
                moved, seen = monotonic(), ended
            if monotonic() - moved > seconds:
                raise Stalled(f"{ended} of {len(self.wanted)} requests have ended, and nothing moves")
            sleep(0.1)

    def finish(
        self,
        *,
        required: Mapping[str, int],
        dead_letters: int = 0,
        stands_still_at_most: float | None = None,
        notes: Mapping[str, float] | None = None,
    ) -> Outcome:
        """Drain everything, the sinks last, and judge. Every fault that is required must have happened so often."""
        misses = [*never_fired(self.fired, required), *self._too_slow(stands_still_at_most)]
        misses += self.drain("generation")
        self.sinks_have_passed()
        for name in SINKS:
            misses += self.drain(name)
        self.progress.stop()
        judged = asyncio.run(
            judge(
                self.system,
                prefix=self.prefix,
                wanted=self.wanted,
                since=self.since,
                lost_calls=self.lost_calls,
                dead_letters=dead_letters,
            )
        )
        misses += judged.misses
        misses += [f"{log.name} has a traceback" for log in self.tracebacks()]
        return Outcome(
            scenario=self.scenario,
            seed=self.seed,
            seconds=monotonic() - self.began,
            fired=dict(self.fired),
            counts={**judged.counts, "calls in flight at faults": self.lost_calls},
            misses=tuple(misses),
            standstill_seconds=self.progress.standstill,
            recovery_seconds=max(self.progress.recoveries, default=None),
            notes={**(notes or {}), "longest publish call, s": round(self._longest_call(), 1)},
        )

    def _longest_call(self) -> float:
        return max((load.longest_call for load in self.loads), default=0.0)

    def _too_slow(self, stands_still_at_most: float | None) -> Iterator[str]:
        recovery, call = max(self.progress.recoveries, default=0.0), self._longest_call()
        if recovery > RECOVERS_WITHIN:
            yield f"a recovery took {recovery:.1f} s, more than {RECOVERS_WITHIN:g} s"
        if call > ACKNOWLEDGED_SECONDS + _CALL_MARGIN:
            yield f"a call to publish took {call:.1f} s; its deadline is {ACKNOWLEDGED_SECONDS:g} s"
        if stands_still_at_most is not None and self.progress.standstill > stands_still_at_most:
            yield f"nothing ended for {self.progress.standstill:.1f} s, more than {stands_still_at_most:g} s"

    def tracebacks(self) -> list[Path]:
        """Logs in which something was not foreseen."""
        return [
            each.log
            for each in self.system.processes
            if any(map(_is_ours, each.log.read_text(errors="replace").splitlines()))
        ]

    def drain(self, name: str) -> Iterator[str]:
        """End the processes of this name as a deployment does; a miss for each that does not end well."""
        for process in self.running(name):
            code = process.terminate()
            if code != 0:
                yield f"{process.log.name}: exit code {code}"

    def sinks_have_passed(self) -> None:
        """Return once every sink has stored what stands on its topic: also what was published a second time."""
        bootstrap = self.system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]
        ends = asyncio.run(ends_of(bootstrap))
        for name in SINKS:
            group = f"{self.prefix}.{name}"
            if not self.running(name):
                continue
            wanted = sum(end - self.since[at] for at, end in ends.items() if at.topic == _TOPIC_OF[name])
            before = sum(self.since[at] for at in ends if at.topic == _TOPIC_OF[name] and ends[at] > self.since[at])
            query = f"SELECT coalesce(sum(next_offset), 0) FROM ai_sink_offsets WHERE group_name = '{group}'"
            wait_until(
                lambda query=query, want=wanted + before: self.count(query) >= want,  # type: ignore[misc]
                f"{name} has passed its topic",
            )


_TOPIC_OF = {
    "history-sink": "ai.generation.completed",
    "analytics-sink": "ai.analytics.event",
    "preferences-sink": "ai.preferences.updated",
}


class Stalled(Exception):
    """Nothing moved any more."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = STALL_SECONDS) -> None:
    """Return once it holds; raises Stalled."""
    until = monotonic() + seconds
    while not condition():
        if monotonic() > until:
            raise Stalled(f"not so within {seconds:g} s: {what}")
        sleep(0.02)


@contextmanager
def arena(
    stack: StackServers, folder: Path, scenario: str, *, seed: int, latency: str = "200ms", **settings: str
) -> Iterator[Arena]:
    """A system without any process yet; whatever was started is ended with the block."""
    home = folder / scenario
    home.mkdir(parents=True, exist_ok=True)
    endpoints = dict(stack.endpoints())
    prefix = f"{scenario}-{uuid4().hex[:6]}"
    with ExitStack() as running:
        endpoints["DATABASE_URL"] = running.enter_context(database(endpoints["DATABASE_URL"], template="fanzgpt"))
        migrate(endpoints["DATABASE_URL"])
        with redis.Redis.from_url(endpoints["REDIS_URL"]) as shared:
            shared.flushall()
        emulator = running.enter_context(running_emulator(home / "bill.jsonl", latency=latency))
        environ = {
            **environ_of(endpoints, emulator),
            "KAFKA_GROUP_PREFIX": prefix,
            "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
            "GENERATION_MAX_IN_FLIGHT": str(IN_FLIGHT),
            "PROVIDER_TRANSPORT": "wire",
            **settings,
        }
        system = System(folder=home, environ=environ, endpoints=endpoints, emulator=emulator)
        bootstrap = endpoints["KAFKA_BOOTSTRAP_SERVERS"]
        system.run("topics", "apply")
        asyncio.run(begin_here(bootstrap, prefix))
        wanted: list[GenerationRequested] = []
        progress = Progress(endpoints["DATABASE_URL"], outstanding=lambda ended: ended < len(wanted))
        progress.start()
        try:
            yield Arena(
                scenario=scenario,
                seed=seed,
                system=system,
                servers=Servers(stack),
                prefix=prefix,
                since=asyncio.run(ends_of(bootstrap)),
                progress=progress,
                random=Random(f"{scenario} {seed}"),
                wanted=wanted,
            )
        finally:
            progress.stop()
            for process in system.processes:
                if process.popen.poll() is None:
                    process.kill()


def _is_ours(line: str) -> bool:
    """Whether a line shows a traceback that somebody has to look at.

    After brokers were away for longer than a send may take, aiokafka's producer forgets a batch twice, says so, and goes
    on; what was in it has been reported to whoever sent it.
    """
    return "Traceback" in line and "MessageAccumulator._pop_batch" not in line
