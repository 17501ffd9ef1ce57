"""What the front door adds to the provider's own time, and what it costs to keep people waiting.

    python -m benchmarks.gateway            # 100 requests/s over a provider of 200 ms
    python -m benchmarks.gateway --waiting  # 1,000 callers at once, a provider of 10 s

Callers come at their own times (open loop): one that is answered late does not keep the next one from coming.
"""

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final
from uuid import uuid4

import aiohttp

from benchmarks.system import SINKS, RunningProcess, running_system

KEY: Final = "a-key-for-measuring-only"
PATH: Final = "/api/v1/content/social-post"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`rate` callers a second for `seconds`, over a provider that takes `provider` seconds."""

    rate: float
    seconds: float
    provider: float
    warm_up: int = 200


def main() -> None:
    """Measure, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", action="store_true", help="1,000 callers at once instead of 100 a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=100)
    given = parser.parse_args()
    if given.waiting:
        load = Load(rate=1_000, seconds=1, provider=10, warm_up=0)
    else:
        load = Load(rate=given.rate, seconds=given.seconds, provider=0.2)
    print(json.dumps(measured(load)))


@contextmanager
def opened_door(folder: Path, *, latency: str, **settings: str) -> Iterator[tuple[str, RunningProcess]]:
    """The whole system behind a gateway, over a provider of that latency: the gateway's address and process."""
    own = {
        "FANZ_GPT_API_KEY": KEY,
        "RATE_LIMIT_REQUESTS": "100000",
        "PORT": "0",
        "GENERATION_MAX_IN_FLIGHT": "2000",
        **settings,
    }
    with running_system(folder, own, latency=latency) as system:
        for name in ("generation", *SINKS):
            system.start(name)
        gateway = system.start("gateway")
        ready = next(system.folder.glob("gateway-*.ready"))
        yield f"http://127.0.0.1:{json.loads(ready.read_text())['port']}", gateway


def measured(load: Load) -> dict[str, object]:
    """One run on servers and processes of its own."""
    with (
        TemporaryDirectory(prefix="gateway-") as folder,
        opened_door(Path(folder), latency=f"{load.provider * 1_000:g}ms") as (url, gateway),
    ):
        cpu = gateway.cpu_seconds()
        statuses, seconds = asyncio.run(_offered(url + PATH, load))
        return _told(load, statuses, seconds, gateway, gateway.cpu_seconds() - cpu)


async def _offered(url: str, load: Load) -> tuple[Counter[int], list[float]]:
    """Statuses, and how long each caller waited."""
    statuses: Counter[int] = Counter()
    seconds: list[float] = []
    headers = {"Authorization": f"Bearer {KEY}"}

    async def call(session: aiohttp.ClientSession, number: int) -> None:
        body = {"userId": f"user-{number % 100}", "topic": f"workout {uuid4()}", "platform": "x"}
        began = perf_counter()
        async with session.post(url, json=body, headers=headers) as response:
            await response.read()
        seconds.append(perf_counter() - began)
        statuses[response.status] += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for first in range(0, load.warm_up, 50):
            await asyncio.gather(*(call(session, first + number) for number in range(50)))
        statuses.clear()
        seconds.clear()
        loop = asyncio.get_running_loop()
        start, calls = loop.time(), []
        for number in range(int(load.rate * load.seconds)):
            await asyncio.sleep(max(0.0, start + number / load.rate - loop.time()))
            calls.append(asyncio.create_task(call(session, number)))
        await asyncio.gather(*calls)
    return statuses, seconds


def _told(
    load: Load, statuses: Counter[int], seconds: list[float], gateway: RunningProcess, cpu: float
) -> dict[str, object]:
    added = sorted((each - load.provider) * 1_000 for each in seconds)
    return {
        "rate": load.rate,
        "calls": len(added),
        "statuses": dict(statuses),
        "added_ms": {f"p{share:g}": round(added[int(len(added) * share / 100)], 1) for share in (50, 90, 99, 99.9)},
        "gateway_peak_rss_mib": round(gateway.peak_rss_mib()),
        "gateway_cpu_ms_per_call": round(cpu * 1_000 / (len(added) + load.warm_up), 2),
    }


if __name__ == "__main__":
    main()
