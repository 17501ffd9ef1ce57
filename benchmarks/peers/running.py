"""A peer's program on a backlog of its own, and what its process used while it answered."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.peers.environments import HERE, python_of
from benchmarks.system import RunningProcess, System, bare_environ
from benchmarks.worker import backlog
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_producers.requesting import encode_request

PROGRAMS: Final = {
    "aiokafka": ("-m", "aiokafka_loop"),
    "faststream": ("-m", "faststream_app"),
    "faust": ("-m", "faust", "-A", "faust_agent", "--loop", "uvloop", "worker", "-l", "error", "--without-web"),
    "litellm": ("-m", "litellm_loop"),
}
PARTITIONS: Final = 12
WARM: Final = 0.1
RUN_SECONDS: Final = 60.0
IN_FLIGHT: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One program over one backlog; `answered` is less than was asked for where it did not finish."""

    answered: int
    cpu_ms: float
    per_second: float
    rss_mib: float


def watched(system: System, process: RunningProcess, number: int, *, before: int) -> Run:
    """What the process uses from the first tenth of the answers to the last; `before` is the provider's count."""
    until, done = monotonic() + RUN_SECONDS, 0
    began: tuple[float, float, int] | None = None
    while done < number and monotonic() < until and process.popen.poll() is None:
        sleep(0.02)
        done = system.emulator.stats()["finished"] - before
        if began is None and done >= WARM * number:
            began = (monotonic(), process.cpu_seconds(), done)
    if began is None or process.popen.poll() is not None:
        return Run(answered=done, cpu_ms=0, per_second=0, rss_mib=0)
    at, cpu, first = began
    counted = max(1, done - first)
    return Run(
        answered=done,
        cpu_ms=1000 * (process.cpu_seconds() - cpu) / counted,
        per_second=counted / (monotonic() - at),
        rss_mib=process.peak_rss_mib(),
    )


async def published(system: System, topic: str, number: int, round_number: int) -> None:
    """A round's requests onto a new topic."""
    bootstrap = system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    finally:
        await admin.close()
    async with KafkaPublisher(bootstrap, client_id="benchmark") as publisher:
        await publisher.publish(
            [
                replace(encode_request(request, time=datetime.now(UTC), source="benchmark"), topic=topic)
                for request in backlog(number, 1_000, round_number)
            ]
        )


@contextmanager
def peer_process(system: System, name: str, topic: str) -> Iterator[RunningProcess]:
    """A peer's program, alive for the block."""
    environ = {
        **bare_environ(),
        "KAFKA_BOOTSTRAP_SERVERS": system.endpoints["KAFKA_BOOTSTRAP_SERVERS"],
        "OPENAI_BASE_URL": system.emulator.openai_base_url,
        "OPENAI_API_KEY": "emulated",
        "PYTHONPATH": str(HERE / "programs"),
        "TOPIC": topic,
        "GROUP": topic,
        "IN_FLIGHT": str(IN_FLIGHT),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    log = system.folder / f"{topic}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [str(python_of(name)), *PROGRAMS[name]],
            env=environ,
            cwd=system.folder,  # Faust leaves files where it runs
            stdout=output,
            stderr=output,
        )
    try:
        yield RunningProcess(name, popen, log, log)
    finally:
        popen.kill()
        popen.wait()
