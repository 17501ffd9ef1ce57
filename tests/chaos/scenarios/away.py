"""Servers that go away, come back, or answer slowly."""

from collections.abc import Callable
from pathlib import Path
from time import sleep

import redis
from benchmarks.system import SINKS
from tests.chaos.arena import Arena, arena
from tests.chaos.bill import most_in_a_minute
from tests.chaos.outcome import Outcome
from tests.chaos.proxy import Fault, proxied

from fanzgpt_stack.servers import StackServers

A_MINUTE_OF_LOSS = 3
"""Times a limit, of the calls in a minute in which Valkey was lost: before it, by the workers' shares meanwhile, and by
an empty Valkey after it."""
FORGOTTEN_SECONDS = 61.0


def database_restarts(
    stack: StackServers, folder: Path, *, seed: int, requests: int, restarts: int, every: tuple[float, float]
) -> Outcome:
    """PostgreSQL is restarted every few seconds, asked to or crashed, and is away for up to five seconds."""

    def restart(field: Arena, number: int) -> None:
        sleep(field.random.uniform(*every))
        field.servers.end("postgres", hard=number % 2 == 0)
        sleep(field.random.uniform(0, min(5.0, every[1])))
        field.servers.back()
        field.fired["PostgreSQL crashed" if number % 2 == 0 else "PostgreSQL restarted"] += 1

    required = {"PostgreSQL crashed": (restarts + 1) // 2, "PostgreSQL restarted": restarts // 2}
    return _repeated(stack, folder, "database-restarts", seed, requests, restarts, restart, required)


def database_down(stack: StackServers, folder: Path, *, seed: int, requests: int, seconds: float) -> Outcome:
    """PostgreSQL is away for long, under load."""

    def down(field: Arena, _: int) -> None:
        sleep(1)
        field.servers.end("postgres", hard=False)
        sleep(seconds)
        field.servers.back()
        field.fired["PostgreSQL away"] += 1

    return _repeated(stack, folder, "database-down", seed, requests, 1, down, {"PostgreSQL away": 1})


def database_network(stack: StackServers, folder: Path, *, seed: int, requests: int, latency: float) -> Outcome:
    """The way to PostgreSQL is slow, then loses answers, then questions, then everything, then breaks."""
    with (
        proxied(stack.endpoints()["DATABASE_URL"]) as (_, proxy),
        arena(stack, folder, "database-network", seed=seed, DB_STATEMENT_TIMEOUT_SECONDS="3") as field,
    ):
        there, _, name = field.system.endpoints["DATABASE_URL"].rpartition("/")
        through = f"{there.rpartition('@')[0]}@127.0.0.1:{proxy.port}/{name}"
        field.start_sinks()
        for _ in range(2):
            field.system.start("generation", DATABASE_URL=through)
        field.load(requests, rate=100)
        proxy.latency = latency
        sleep(3)
        proxy.latency = 0.0
        faults: tuple[Fault, ...] = ("mute", "deaf", "black-hole")
        for fault in faults:
            proxy.inflict(fault)
            sleep(4)
            proxy.inflict("none")
            proxy.reset()
            field.progress.healed()
            sleep(1)
        field.until_ended()
        field.fired.update(proxy.counts)
        return field.finish(required={"slow": 1, "mute": 1, "deaf": 1, "black-hole": 1, "reset": 1})


def database_slow(stack: StackServers, folder: Path, *, seed: int, requests: int, latency: float) -> Outcome:
    """Every answer of PostgreSQL comes so much later, from the first request to the last."""
    with (
        proxied(stack.endpoints()["DATABASE_URL"]) as (_, proxy),
        arena(stack, folder, "database-slow", seed=seed, GENERATION_MAX_IN_FLIGHT="512") as field,
    ):
        there, _, name = field.system.endpoints["DATABASE_URL"].rpartition("/")
        through = f"{there.rpartition('@')[0]}@127.0.0.1:{proxy.port}/{name}"
        proxy.latency = latency / 2  # it is for each way
        for sink in SINKS:
            field.system.spawn(sink, DATABASE_URL=through)
        for _ in range(2):
            field.system.start("generation", DATABASE_URL=through)
        field.load(requests, rate=200)
        field.until_ended()
        field.fired.update(proxy.counts)
        return field.finish(required={"slow": requests // 10})


def broker_bounces(stack: StackServers, folder: Path, *, seed: int, requests: int, rounds: int) -> Outcome:
    """Each broker in turn is restarted, then crashed, and brought back."""
    names = [server.name for server in stack.status() if server.name.startswith("kafka")]

    def bounce(field: Arena, number: int) -> None:
        sleep(1)
        hard = number % 2 == 0
        field.servers.end(names[(number // 2) % len(names)], hard=hard)
        sleep(field.random.uniform(0.0, 2.0))
        field.servers.back()
        field.fired["broker crashed" if hard else "broker restarted"] += 1

    times = 2 * rounds * len(names)
    required = {"broker crashed": times // 2, "broker restarted": times // 2}
    return _repeated(stack, folder, "broker-bounces", seed, requests, times, bounce, required)


def double_faults(stack: StackServers, folder: Path, *, seed: int, requests: int, rounds: int) -> Outcome:
    """A worker is killed while the leaders of its partitions are away, and Valkey is emptied while the group settles."""

    def both(field: Arena, number: int) -> None:
        sleep(1)
        names = field.servers.brokers()
        field.servers.end(names[number % len(names)], hard=True)
        field.kill(field.random.choice(field.running("generation")))
        field.servers.back()
        field.system.spawn("generation")
        with redis.Redis.from_url(stack.endpoints()["REDIS_URL"]) as shared:
            shared.flushall()
        field.fired["broker and worker crashed"] += 1

    return _repeated(
        stack, folder, "double-faults", seed, requests, rounds, both, {"broker and worker crashed": rounds}
    )


def brokers_away(
    stack: StackServers, folder: Path, *, seed: int, requests: int, rounds: int, seconds: float
) -> Outcome:
    """All brokers are away at once, for longer than every send may take, crashed or only deaf to everybody."""

    def away(field: Arena, number: int) -> None:
        sleep(1)
        names = field.servers.brokers()
        if number % 2 == 0:
            field.servers.end(*names, hard=True)
            sleep(seconds)
            field.servers.back()
            field.fired["all brokers away"] += 1
        else:
            with field.servers.paused(names[0]):
                sleep(seconds)
            field.fired["a broker hung"] += 1

    required = {"all brokers away": (rounds + 1) // 2, "a broker hung": rounds // 2}
    return _repeated(stack, folder, "brokers-away", seed, requests, rounds, away, required)


def cache(
    stack: StackServers, folder: Path, *, seed: int, requests: int, rounds: int, seconds: float, rpm: int
) -> Outcome:
    """Valkey is killed, emptied and slow: money and requests do not depend on it, and no limit is ever open."""
    with (
        proxied(stack.endpoints()["REDIS_URL"]) as (url, proxy),
        arena(
            stack,
            folder,
            "cache-away",
            seed=seed,
            REDIS_URL=url,
            AI_RATE_LIMIT_RPM=str(rpm),
            AI_RATE_LIMIT_TPM="100000000",
        ) as field,
    ):
        field.start_sinks()
        for _ in range(2):
            field.system.start("generation")
        field.load(requests, rate=200)
        for _ in range(rounds):
            field.servers.end("valkey", hard=True)
            sleep(seconds)
            field.servers.back()
            field.fired["Valkey killed"] += 1
            with redis.Redis.from_url(stack.endpoints()["REDIS_URL"]) as shared:
                shared.flushall()
            field.fired["Valkey emptied"] += 1
            proxy.latency = 0.5
            sleep(seconds)
            proxy.latency = 0.0
            proxy.inflict("black-hole")
            sleep(seconds)
            proxy.inflict("none")
            proxy.reset()
            field.progress.healed()
            sleep(FORGOTTEN_SECONDS)  # one loss a minute: what each may cost is told apart
        field.until_ended()
        field.fired.update(proxy.counts)
        required = {"Valkey killed": rounds, "Valkey emptied": rounds, "slow": 1, "black-hole": 1}
        most, allowed = most_in_a_minute(field.system.emulator.bill()), rpm * A_MINUTE_OF_LOSS
        outcome = field.finish(required=required, notes={"calls a minute, allowed": rpm, "calls a minute, most": most})
        told = (f"{most} calls in a minute, more than the {allowed} that the loss of Valkey explains",)
        return outcome.with_misses(told if most > allowed else ())


def _repeated(
    stack: StackServers,
    folder: Path,
    scenario: str,
    seed: int,
    requests: int,
    times: int,
    fault: Callable[[Arena, int], None],
    required: dict[str, int],
) -> Outcome:
    """Two workers and the sinks under a load that outlasts the faults, which come one after another."""
    with arena(stack, folder, scenario, seed=seed) as field:
        field.start_sinks()
        for _ in range(2):
            field.system.start("generation")
        for number in range(times):
            # A share of the load for each fault, so that none meets a system at rest.
            field.load(max(1, requests // times), rate=100)
            fault(field, number)
            field.progress.healed()
        field.until_ended()
        return field.finish(required=required)
