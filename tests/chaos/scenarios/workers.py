"""Generation workers that are killed, stopped and replaced while they work."""

import signal
from pathlib import Path
from time import monotonic, sleep

from tests.chaos.arena import IN_FLIGHT, Arena, arena, wait_until
from tests.chaos.outcome import Outcome

from fanzgpt_stack.servers import StackServers

STANDS_STILL_AT_MOST = 30.0


def kills(
    stack: StackServers, folder: Path, *, seed: int, requests: int, kills: int, workers: int = 2, rate: float = 250
) -> Outcome:
    """SIGKILL of a worker at a random instant, another in its place, again and again under load."""
    with arena(stack, folder, "random-kills", seed=seed) as field:
        field.start_sinks()
        replicas = {
            name: field.system.start("generation", KAFKA_GROUP_INSTANCE_ID=name)
            for name in (f"replica-{number}" for number in range(workers))
        }
        field.load(requests, rate=rate)
        for _ in range(kills):
            # From its first calls on, at any instant of its work; the one in its place comes up meanwhile.
            sleep(field.random.uniform(0.05, 1.5))
            wait_until(lambda: any(each.is_ready() for each in replicas.values()), "a worker is ready")
            name = field.random.choice(sorted(name for name, each in replicas.items() if each.is_ready()))
            field.kill(replicas[name])
            replicas[name] = field.system.spawn("generation", KAFKA_GROUP_INSTANCE_ID=name)
            if field.progress.ended >= len(field.wanted) - 200:  # so that no kill meets a system at rest
                field.load(requests // 10, rate=rate)
        field.until_ended()
        return field.finish(required={"SIGKILL": kills})


def zombies(
    stack: StackServers,
    folder: Path,
    *,
    seed: int,
    requests: int,
    rounds: int,
    stopped_seconds: float,
    at_once: int = 1,
) -> Outcome:
    """SIGSTOP of workers for longer than their session: another has their partitions, and they wake up in the past."""
    with arena(stack, folder, "zombies", seed=seed, latency="300ms") as field:
        field.start_sinks()
        old = [field.system.start("generation") for _ in range(at_once)]
        field.system.start("generation")
        for _ in range(rounds):
            load = field.load(requests, rate=100)  # slow enough that calls are still under way when the signal comes
            wait_until(lambda: _at_work(field) > at_once, "every worker has requests under way")
            before = _taken_over(field)
            for each in old:
                each.popen.send_signal(signal.SIGSTOP)
            field.lost_calls += IN_FLIGHT * at_once
            load.finish(60)
            began = monotonic()
            wait_until(lambda before=before: _taken_over(field) > before, "another has taken over")  # type: ignore[misc]
            sleep(max(0.0, stopped_seconds - (monotonic() - began)))
            for each in old:
                each.popen.send_signal(signal.SIGCONT)
            field.fired["SIGSTOP, and another took over"] += at_once
            field.until_ended()
        return field.finish(required={"SIGSTOP, and another took over": rounds * at_once})


def storm(
    stack: StackServers, folder: Path, *, seed: int, requests: int, restarts: int, workers: int, rate: float = 250
) -> Outcome:
    """Members come and go, asked to or killed, without names of their own: the group is never settled."""
    with arena(stack, folder, "rebalance-storm", seed=seed) as field:
        field.start_sinks()
        members = [field.system.spawn("generation") for _ in range(workers)]
        wait_until(lambda: all(member.is_ready() for member in members), "the members are ready")
        field.load(requests, rate=rate)
        for number in range(restarts):
            sleep(field.random.uniform(0.2, max(1.5, 2 * requests / rate / restarts)))
            leaving = members.pop(field.random.randrange(len(members)))
            # Every other leaves as it should; a rebalance begins at once then, and after the session else.
            if number % 2:
                field.kill(leaving)
            else:
                leaving.popen.send_signal(signal.SIGTERM)
                field.fired["SIGTERM"] += 1
            members.append(field.system.spawn("generation"))
        field.until_ended()
        for process in field.system.processes:
            if process.popen.poll() not in (None, 0, -signal.SIGKILL):
                field.fired[f"exit code {process.popen.returncode}"] += 1
        required = {"SIGKILL": restarts // 2, "SIGTERM": restarts - restarts // 2}
        return field.finish(required=required, stands_still_at_most=STANDS_STILL_AT_MOST)


def _at_work(field: Arena) -> int:
    """How many workers have requests under way."""
    return field.count("SELECT count(DISTINCT owner) FROM ai_requests WHERE state = 'claimed'")


def _taken_over(field: Arena) -> int:
    """How often a request was taken over."""
    return field.count("SELECT coalesce(sum(epoch - 1), 0) FROM ai_requests")
