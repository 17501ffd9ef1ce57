"""What the usage streams count beside what PostgreSQL counts, and how fast.

`python -m benchmarks.streams` writes a million endings (out of order, repeated, too late), lets one process work them
off, kills it, adds and takes away a second one in the middle, and compares every window that was told with SQL over the
same log. Then a process that was away for ten minutes catches up. The rate is one process's, over a backlog.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Annotated, Final, Self

import asyncpg
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.machine import kept
from benchmarks.system import RunningProcess, System, running_system
from benchmarks.usage_events import Traffic, endings
from benchmarks.usage_truth import differences, ends, loaded, told, truth
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_workers.commands.output import say

TOPIC: Final = "ai.analytics.event"
GROUP: Final = "fanzgpt.streams"
PANE, LATENESS, PANES = 60, 120, 5
STALL_SECONDS: Final = 120.0
SETTINGS: Final = {"KAFKA_SESSION_TIMEOUT_SECONDS": "6", "STREAMS_IDLE_SECONDS": "86400"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


async def written(bootstrap: str, traffic: Traffic) -> int:
    """Write the traffic; how many records it was."""
    number = 0
    async with KafkaPublisher(bootstrap, deadline=120, client_id="benchmark") as publisher:
        batch = []
        for event in endings(traffic):
            batch.append(event)
            number += 1
            if len(batch) == 5_000:
                await publisher.publish(batch)
                batch = []
        await publisher.publish(batch)
    return number


class Position:
    """How far the group is."""

    def __init__(self, bootstrap: str, group: str = GROUP) -> None:
        """Connects with `async with`."""
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def committed(self) -> int:
        """Records whose offsets are committed."""
        offsets = [await self._consumer.committed(TopicPartition(TOPIC, number)) for number in range(12)]
        return sum(each or 0 for each in offsets)

    async def reaches(self, number: int, *, every: float = 0.25) -> float:
        """Return once so many are committed, with the time; raises where nothing moves for two minutes."""
        done, moved = -1, monotonic()
        while (now := await self.committed()) < number:
            if now != done:
                done, moved = now, monotonic()
            if monotonic() - moved > STALL_SECONDS:
                raise RuntimeError(f"{now} of {number} records")
            await asyncio.sleep(every)
        return monotonic()


async def rate_of(position: Position, process: RunningProcess, number: int, before: int) -> tuple[float, float]:
    """Events a second, and CPU microseconds an event, between the first tenth of a backlog and its end."""
    began = await position.reaches(before + number // 10)
    cpu, first = process.cpu_seconds(), await position.committed()
    at = await position.reaches(before + number)
    counted = before + number - first
    return counted / (at - began), (process.cpu_seconds() - cpu) / counted * 1e6


async def compared(system: System, since: dict[int, int]) -> tuple[int, int, list[str]]:
    """Windows told, facts repeated, and every difference to SQL."""
    bootstrap = system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]
    connection = await asyncpg.connect(system.endpoints["DATABASE_URL"])
    try:
        await loaded(connection, bootstrap, TOPIC, since)
        expected = await truth(connection, pane_ms=PANE * 1000, lateness_ms=LATENESS * 1000, panes=PANES)
    finally:
        await connection.close()
    found = await told(bootstrap, {})
    wrong = differences(expected, found)
    if found.contradicted:
        wrong.append(f"{found.contradicted} facts contradict an earlier one")
    return len(found.windows), found.repeated, wrong


async def disturbed(system: System, position: Position, number: int) -> None:
    """Work it off with a SIGKILL at a third, and a second process that comes and goes."""
    first = await asyncio.to_thread(system.start, "streams", **SETTINGS)
    await position.reaches(number // 4)
    first.kill()
    say(f"killed at {await position.committed()}")
    second = await asyncio.to_thread(system.start, "streams", **SETTINGS)
    await position.reaches(number // 2)
    third = await asyncio.to_thread(system.start, "streams", **SETTINGS)
    say(f"a second process joined at {await position.committed()}")
    await position.reaches(number * 7 // 10)
    say(f"the second process left at {await position.committed()} with {await asyncio.to_thread(third.terminate)}")
    await position.reaches(number)
    await asyncio.to_thread(second.terminate)


@app.command()
def main(
    events: Annotated[int, typer.Option(min=10_000)] = 1_000_000,
    users: Annotated[int, typer.Option(min=1)] = 2_000,
    away: Annotated[int, typer.Option(min=1_000, help="Events of the ten minutes away.")] = 300_000,
) -> None:
    """Exactness under kills and moves, then the rate of one process over a backlog."""
    with TemporaryDirectory() as temporary, running_system(Path(temporary), {}) as system:
        code = asyncio.run(_measured(system, events, users, away))
    sys.exit(code)


async def _measured(system: System, events: int, users: int, away: int) -> int:
    bootstrap = system.endpoints["KAFKA_BOOTSTRAP_SERVERS"]
    begin = datetime.now(UTC) - timedelta(hours=2)
    traffic = Traffic(
        events=events,
        users=users,
        span=timedelta(minutes=40),
        begin=begin,
        out_of_order=timedelta(seconds=60),
        too_late=timedelta(minutes=6),
    )
    number = await written(bootstrap, traffic)
    say(f"{number} records of {events} endings are on the topic")
    async with Position(bootstrap) as position:
        began = monotonic()
        await disturbed(system, position, number)
        took = monotonic() - began
        windows, repeated, wrong = await compared(system, dict.fromkeys(await ends(bootstrap, TOPIC), 0))
        say(f"{windows} windows told, {repeated} facts repeated, {len(wrong)} differences to SQL; {took:.0f} s")
        for each in wrong[:10]:
            say(f"  {each}")
        later = Traffic(
            events=away,
            users=users,
            span=timedelta(minutes=10),
            begin=begin + timedelta(minutes=45),
            out_of_order=timedelta(seconds=60),
            too_late=timedelta(minutes=6),
            seed=2,
        )
        more = await written(bootstrap, later)
        began = monotonic()
        process = await asyncio.to_thread(system.start, "streams", **SETTINGS)
        ready = monotonic() - began
        rate, cpu = await rate_of(position, process, more, number)
        caught_up = monotonic() - began
        memory = process.peak_rss_mib()
        await asyncio.to_thread(process.terminate)
        _, _, wrong_later = await compared(system, dict.fromkeys(await ends(bootstrap, TOPIC), 0))
    say(
        f"ten minutes' {more} records: ready in {ready:.1f} s, caught up in {caught_up:.1f} s; {rate:.0f} events/s, "
        f"{cpu:.0f} µs CPU an event, {memory:.0f} MiB; {len(wrong_later)} differences"
    )
    kept(
        "streams",
        {
            "records": number,
            "windows": windows,
            "facts_repeated": repeated,
            "differences": len(wrong),
            "caught_up_records": more,
            "caught_up_seconds": round(caught_up, 1),
            "events_per_second": round(rate),
            "cpu_us_per_event": round(cpu),
            "peak_rss_mib": round(memory),
            "differences_after": len(wrong_later),
        },
    )
    return 1 if wrong or wrong_later else 0


if __name__ == "__main__":
    app()
