"""The composition root: from settings to a running process, until SIGTERM."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, cast
from uuid import uuid4

import uvloop
from structlog.typing import FilteringBoundLogger

from fanzgpt_producers.errors import BrokerUnavailable
from fanzgpt_schemas.topics import bundled_topics
from fanzgpt_workers.errors import Unavailable
from fanzgpt_workers.garbage import look_for_garbage_seldom
from fanzgpt_workers.lag.standing import Thresholds
from fanzgpt_workers.lag.watching import LagHistory, open_lag_reader
from fanzgpt_workers.monitor import Monitor
from fanzgpt_workers.observability.health import health_server
from fanzgpt_workers.observability.logs import open_logs
from fanzgpt_workers.observability.metrics import Metrics
from fanzgpt_workers.observability.readiness import announce_ready
from fanzgpt_workers.observability.standing import Standing
from fanzgpt_workers.observability.standstills import where_tasks_stand
from fanzgpt_workers.settings import ProcessName, Settings
from fanzgpt_workers.stores.database import open_database
from fanzgpt_workers.watching import GenerationWatch, SinkWatch

CLOSING_SECONDS: Final = 8.0  # beyond the drain; together they stay below the grace time of docker-compose.yml
LEFT_EARLY: Final = 3  # as for every command: a server is away
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0


class Process(Protocol):
    """What runs until it is told to stop."""

    async def run(self) -> None:
        """Work until `stop`, then drain."""
        ...

    async def joined(self) -> None:
        """Return once it takes part in the work."""
        ...

    async def ending(self) -> None:
        """Return once it has begun to end: told to, or because something broke."""
        ...

    def membership(self) -> tuple[bool, str]:
        """Whether it takes part, and how, in words."""
        ...

    def still_seconds(self) -> float:
        """How long its loop has not turned."""
        ...

    def stop(self) -> None:
        """Ask it to end; idempotent."""
        ...


class Told(NamedTuple):
    """Whom a process tells what happens."""

    metrics: Metrics
    log: FilteringBoundLogger
    standing: Standing


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> datetime:
        """The present instant, UTC."""
        return datetime.now(UTC)


def run(name: str, settings: Settings) -> int:
    """Run one process in the foreground; 0 after a clean drain. Raises FanzError for what a person has to mend.

    A server that is away at the start is told with its address and waited for. One that is away at the end is not: the
    process exits with 3 once its drain time and 8 s are over.
    """
    return uvloop.run(_run(cast("ProcessName", name), settings))


async def _run(name: ProcessName, settings: Settings) -> int:
    log = open_logs(settings, process=name)
    metrics, standing = Metrics(), Standing()
    async with (
        health_server(metrics, settings.process, process=name) as health,
        AsyncExitStack() as opened,
    ):
        standing.watch(health)
        process = await _opened(opened, name, settings, Told(metrics, log, standing))
        if process is not None:
            look_for_garbage_seldom()
            standing.begun(process)
            _on_signals(process.stop)
            tell = partial(announce_ready, log, metrics_port=health.port, ready_file=settings.process.ready_file)
            within = _drain_seconds(name, settings) + CLOSING_SECONDS
            await run_and_tell(process, ready=tell, late=partial(_leave, within, log), within=within)
    log.info("stopped")
    return 0


async def run_and_tell(process: Process, *, ready: Callable[[], None], late: Callable[[], None], within: float) -> None:
    """Run it; tell `ready` once it takes part, and `late` where its end, whatever began it, takes longer than `within`.

    A server that answers nobody holds its clients for minutes, also while they close.
    """

    async def bound() -> None:
        await process.ending()
        asyncio.get_running_loop().call_later(within, late)

    joining, bounding = asyncio.create_task(process.joined()), asyncio.create_task(bound())
    joining.add_done_callback(lambda task: None if task.cancelled() else ready())
    try:
        await process.run()
    finally:
        joining.cancel()
        await bounding


async def _opened(into: AsyncExitStack, name: ProcessName, settings: Settings, told: Told) -> Process | None:
    """The process once its servers answer; None when it is told to end before. Each absence is told with its address.

    What a person has to mend is raised: waiting would not help.
    """

    async def open_patiently() -> Process:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                if name not in {"monitor", "streams"}:
                    await _require_database(settings, "ai_requests" if name == "generation" else "ai_sink_offsets")
                return await into.enter_async_context(_open(name, settings, told))
            except (Unavailable, BrokerUnavailable) as error:
                told.log.warning("waiting for a server", error=str(error))
                told.standing.waits(str(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    opening = asyncio.create_task(open_patiently())
    _on_signals(opening.cancel)
    await asyncio.wait([opening])
    return None if opening.cancelled() else opening.result()


async def _require_database(settings: Settings, table: str) -> None:
    """Find out now whether PostgreSQL answers and has this table: a pool connects on first use, perhaps hours later."""
    url, deadline = settings.database.url.get_secret_value(), settings.database.statement_timeout_seconds
    async with (
        await open_database(url, size=1, deadline=deadline) as database,
        database.connection() as connection,
    ):
        await connection.execute(f"SELECT FROM {table} LIMIT 0")  # a name of ours


def _drain_seconds(name: ProcessName, settings: Settings) -> float:
    """How long the process's work may take to end."""
    if name == "generation":
        return settings.generation.drain_seconds
    return 0.0 if name == "monitor" else settings.sinks.drain_seconds


def _leave(within: float, log: FilteringBoundLogger) -> None:
    # What a kill may not lose is not lost here either: rows, offsets and endings are where they were promised to be.
    log.error("left before everything was closed", seconds=within, stood_at=list(where_tasks_stand()))
    logging.shutdown()
    os._exit(LEFT_EARLY)


def _on_signals(act: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, act)


def _open(name: ProcessName, settings: Settings, told: Told) -> AbstractAsyncContextManager[Process]:
    """The named process, wired; each imports only what it needs."""
    clock = SystemClock()
    opened: Any
    match name:
        case "generation":
            from fanzgpt_workers.generation import open_generation  # noqa: PLC0415  # SDKs: only where they are used

            opened = open_generation(settings, clock=clock, owner=uuid4(), watch=GenerationWatch(*told))
        case "history-sink":
            from fanzgpt_workers.history_sink import open_history_sink  # noqa: PLC0415  # as above

            opened = open_history_sink(settings, clock=clock, watch=SinkWatch("history", *told))
        case "analytics-sink":
            from fanzgpt_workers.analytics_sink import open_analytics_sink  # noqa: PLC0415  # as above

            opened = open_analytics_sink(settings, clock=clock, watch=SinkWatch("analytics", *told))
        case "preferences-sink":
            from fanzgpt_workers.preferences_sink import open_preferences_sink  # noqa: PLC0415  # as above

            opened = open_preferences_sink(settings, clock=clock, watch=SinkWatch("preferences", *told))
        case "monitor":
            opened = _open_monitor(settings, told, clock)
        case "streams":
            from fanzgpt_workers.streams.opening import open_streams  # noqa: PLC0415  # as above
            from fanzgpt_workers.streams.watching import StreamsWatch  # noqa: PLC0415  # as above

            opened = open_streams(settings, clock=clock, watch=StreamsWatch(*told))
    return cast("AbstractAsyncContextManager[Process]", opened)


@asynccontextmanager
async def _open_monitor(settings: Settings, told: Told, clock: SystemClock) -> AsyncIterator[Monitor]:
    watched = settings.monitor
    async with open_lag_reader(settings, bundled_topics(), clock=clock) as reader:
        history = LagHistory(Thresholds(late=watched.late_seconds, still=watched.still_seconds))
        yield Monitor(
            reader=reader,
            history=history,
            metrics=told.metrics,
            log=told.log,
            interval=watched.interval_seconds,
        )
