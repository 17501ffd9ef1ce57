"""One release after another, under load, process by process."""

import asyncio
import json
from pathlib import Path

from benchmarks.system import SINKS, RunningProcess, command
from tests.chaos.arena import Arena, arena
from tests.chaos.outcome import Outcome
from tests.e2e.topics import raw_producer

from fanzgpt_schemas.codec import decode_request
from fanzgpt_schemas.events import REQUESTED_TOPIC
from fanzgpt_schemas.release import RELEASED
from fanzgpt_stack.servers import StackServers


def rolling(
    stack: StackServers, folder: Path, *, seed: int, requests: int, rounds: int, rate: float, before: str | None
) -> Outcome:
    """Each process is replaced, the new one first, while requests come in: theirs, and every released example.

    `before` is the `fanzgpt` of an earlier release, which works on this release's schema beside it, and is gone back to
    in every other round; without one the same release takes its own place.
    """
    programs = (before or command(), command())
    with arena(stack, folder, "rolling-upgrade", seed=seed) as field:
        field.system.program = programs[0]
        replicas = [field.system.start(name) for name in ("generation", "generation", *SINKS)]
        misses: list[str] = []
        for number in range(rounds):
            field.load(requests // rounds, rate=rate)
            if number == 0:
                field.fired["released examples"] += asyncio.run(_examples(field))
            field.system.program = programs[(number + 1) % 2]
            for at, old in enumerate(replicas):
                replicas[at] = field.system.start(old.name)
                misses += _ended(old)
                field.fired["replaced"] += 1
                field.progress.healed()
        field.until_ended()
        field.fired["beside an earlier release"] += rounds if before else 0
        outcome = field.finish(required={"replaced": rounds * len(replicas), "released examples": 1})
        return outcome.with_misses(misses)


def _ended(old: RunningProcess) -> list[str]:
    code = old.terminate()
    return [] if code == 0 else [f"{old.log.name}: exit code {code}"]


async def _examples(field: Arena) -> int:
    """Send every released example of a request, to the byte; each is to have its ending."""
    found = sorted((RELEASED / REQUESTED_TOPIC / "examples").glob("*.json"))
    async with raw_producer(field.system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
        for path in found:
            example = json.loads(path.read_bytes())
            value = json.dumps(example["value"]).encode()
            headers = [(name, text.encode()) for name, text in example["headers"].items()]
            at = await producer.send_and_wait(REQUESTED_TOPIC, value, headers=headers)
            decoded = decode_request(value, headers, topic=at.topic, partition=at.partition, offset=at.offset)
            field.wanted.append(decoded.event)
    return len(found)
