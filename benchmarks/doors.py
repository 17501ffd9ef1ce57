"""Our front door beside LiteLLM's proxy, by the requests a second that callers get through.

`python -m benchmarks.doors` lets 32 callers ask as fast as they are answered, over a provider that answers at once.
Ours is the whole way: gateway, Kafka, generation worker, ledger, and three sinks that store every answer. The proxy is
one worker without a database, which passes calls on. The doors are asked in turns; the figure is the ratio of medians.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from secrets import token_hex
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep
from typing import Annotated, Final
from uuid import uuid4

import aiohttp
import typer

from benchmarks.gateway import KEY, PATH, opened_door
from benchmarks.machine import kept
from benchmarks.peers.environments import python_of
from benchmarks.system import DidNotStart, RunningProcess, bare_environ
from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_stack.loopback import choose_ports
from fanzgpt_workers.commands.output import say, table

CALLERS: Final = 32
WARM_UP: Final = 200
LEAST: Final = 5.0
START_SECONDS: Final = 120.0
CONFIG: Final = """
model_list:
  - model_name: gpt-4o-mini
    litellm_params:
      model: openai/gpt-4o-mini
      api_base: {base_url}
      api_key: emulated
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where callers ask, what they send, and the process that they ask."""

    name: str
    url: str
    headers: Mapping[str, str]
    process: RunningProcess

    def body(self, number: int) -> dict[str, object]:
        """A question that nobody has asked before."""
        topic = f"workout {uuid4()}"
        if self.name == "litellm":
            turns = [{"role": "user", "content": f"Write a post for x about {topic}."}]
            return {"model": "gpt-4o-mini", "messages": turns, "max_tokens": 400}
        return {"userId": f"user-{number % 100}", "topic": topic, "platform": "x"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Requests a second, and CPU milliseconds that the door's own process used for one."""

    per_second: float
    cpu_ms: float


async def asked(door: Door, calls: int) -> Round:
    """So many calls by all callers together; raises where one is not answered."""
    numbers = iter(range(calls))
    cpu, began = door.process.cpu_seconds(), perf_counter()

    async def caller(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            async with session.post(door.url, json=door.body(number), headers=door.headers) as response:
                said = await response.read()
                if response.status != 200:
                    raise RuntimeError(f"{door.name} answered {response.status}: {said[:300]!r}")

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(caller(session) for _ in range(CALLERS)))
    took = perf_counter() - began
    return Round(per_second=calls / took, cpu_ms=1_000 * (door.process.cpu_seconds() - cpu) / calls)


@contextmanager
def proxy(folder: Path, emulator: RunningEmulator) -> Iterator[Door]:
    """LiteLLM's proxy with one worker, ready."""
    config, log = folder / "litellm.yaml", folder / "litellm.log"
    port = choose_ports(["proxy"], known={}, in_use=(), random=Random())["proxy"]
    config.write_text(CONFIG.format(base_url=emulator.openai_base_url))
    program, key = python_of("litellm-proxy").with_name("litellm"), f"sk-{token_hex(32)}"
    own = {"LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)],
            env={**bare_environ(), **own},
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    try:
        until = monotonic() + START_SECONDS
        while not _lives(port):
            if popen.poll() is not None or monotonic() > until:
                raise DidNotStart(f"LiteLLM's proxy: {log.read_text()[-2_000:]}")
            sleep(0.2)
        process = RunningProcess("litellm", popen, log, log)
        headers = {"Authorization": f"Bearer {key}"}
        yield Door(name="litellm", url=f"http://127.0.0.1:{port}/v1/chat/completions", headers=headers, process=process)
    finally:
        popen.terminate()
        popen.wait()


def _lives(port: int) -> bool:
    asking = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        asking.request("GET", "/health/liveliness")
        return asking.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        asking.close()


async def _measured(doors: Sequence[Door], calls: int, rounds: int) -> dict[str, list[Round]]:
    found: dict[str, list[Round]] = {door.name: [] for door in doors}
    for door in doors:
        await asked(door, WARM_UP)
    for _ in range(rounds):
        for door in doors:
            found[door.name].append(await asked(door, calls))
    return found


@app.command()
def main(
    calls: Annotated[int, typer.Option(min=CALLERS, help="Calls of a round.")] = 1_500,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Both doors in one run; exit code 0: at least five times as many requests get through ours."""
    with (
        TemporaryDirectory(prefix="doors-") as folder,
        opened_door(Path(folder), latency="0ms", PROVIDER_TRANSPORT="wire") as (url, process),
        running_emulator(Path(folder) / "proxied.jsonl") as emulator,
        proxy(Path(folder), emulator) as theirs,
    ):
        ours = Door(name="ours", url=url + PATH, headers={"Authorization": f"Bearer {KEY}"}, process=process)
        found = asyncio.run(_measured((ours, theirs), calls, rounds))
    per_second = {name: median(each.per_second for each in of) for name, of in found.items()}
    cpu = {name: median(each.cpu_ms for each in of) for name, of in found.items()}
    head = ("door", "requests a second", "its CPU for one")
    for line in table(head, ((n, f"{per_second[n]:.0f}", f"{cpu[n]:.2f} ms") for n in found), right=head[1:]):
        say(line)
    ratio = per_second["ours"] / per_second["litellm"]
    say(f"{ratio:.2f} times as many")
    kept(
        "doors",
        {
            "callers": CALLERS,
            "calls": calls,
            "per_second": {name: [round(each.per_second, 1) for each in of] for name, of in found.items()},
            "door_cpu_ms": {name: [round(each.cpu_ms, 2) for each in of] for name, of in found.items()},
            "ratio": round(ratio, 2),
        },
    )
    sys.exit(0 if ratio >= LEAST else 1)


if __name__ == "__main__":
    app()
