"""A consumer that Kafka no longer talks to raises nothing: health notices it, says so, and sees it recover."""

import json
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

from benchmarks.system import RunningProcess
from tests.chaos.arena import arena, wait_until

from fanzgpt_stack.servers import StackServers


def asked(process: RunningProcess, path: str) -> tuple[int, str]:
    port = json.loads(process.ready.read_text())["metricsPort"]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_a_broker_that_hangs_makes_its_consumers_unready_and_says_why(victims: StackServers, tmp_path: Path) -> None:
    with arena(victims, tmp_path, "wedged", seed=1) as field:
        watched = [field.system.start("generation"), field.system.start("history-sink")]
        for process in watched:
            wait_until(lambda it=process: asked(it, "/health/ready")[0] == 200, "it is ready")  # type: ignore[misc]
        with field.servers.paused("kafka-1"):
            for process in watched:
                wait_until(
                    lambda it=process: "Kafka has said nothing about" in asked(it, "/health/ready")[1],  # type: ignore[misc]
                    "it says that Kafka is silent",
                    seconds=40,
                )
                assert asked(process, "/health/ready")[0] == 503
                assert asked(process, "/health/live")[0] == 200
        for process in watched:
            wait_until(lambda it=process: asked(it, "/health/ready")[0] == 200, "it is ready again", seconds=40)  # type: ignore[misc]
        field.load(20, rate=1_000)
        field.start_sinks()
        field.until_ended()
