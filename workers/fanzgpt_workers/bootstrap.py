"""The composition root: from settings to a running process, until SIGTERM."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, cast, runtime_checkable
from uuid import uuid4

import uvloop
from structlog.typing import FilteringBoundLogger

from fanzgpt_producers.errors import BrokerUnavailable
from fanzgpt_schemas.topics import bundled_topics
from fanzgpt_workers.ending import CLOSING_SECONDS, Process, Signals, leave, run_and_tell
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
from fanzgpt_workers.reopening import is_kafka_well, stuck
from fanzgpt_workers.settings import ProcessName, Settings
from fanzgpt_workers.stores.database import open_database
from fanzgpt_workers.watching import GenerationWatch, SinkWatch

FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0


@runtime_checkable
class Renewable(Protocol):
    """A process whose consumer may be deaf, and which can end without it."""

    def membership(self) -> tuple[bool, str]:
        """Whether it takes part, and how, in words."""
        ...

    def renew(self) -> None:
        """End without a word to Kafka."""
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

    A server that is away at the start is told with its address and waited for. One that is away at the end is not: what
    cannot be closed without it once the drain time and 8 s are over is left, and the process exits with 3.
    """
    return uvloop.run(_run(cast("ProcessName", name), settings))


async def _run(name: ProcessName, settings: Settings) -> int:
    log = open_logs(settings, process=name)
    told = Told(Metrics(), log, Standing())
    async with health_server(told.metrics, settings.process, process=name) as health:
        told.standing.watch(health)
        signals = Signals()
        tell = partial(announce_ready, log, metrics_port=health.port, ready_file=settings.process.ready_file)
        while await _live(name, settings, told, signals, tell):
            told.standing.waits("its consumer was stuck; it is opened anew")
    log.info("stopped")
    return 0


async def _live(name: ProcessName, settings: Settings, told: Told, signals: Signals, tell: Callable[[], None]) -> bool:
    """Open the process and run it to its end; whether it is to be opened anew."""
    within = _drain_seconds(name, settings) + CLOSING_SECONDS
    async with AsyncExitStack() as opened:
        process = await _opened(opened, name, settings, told, signals)
        if process is None:
            return False
        look_for_garbage_seldom()
        told.standing.begun(process)
        signals.lead_to(process.stop)
        watching = asyncio.create_task(_renewed_if_stuck(process, name, settings, told))
        try:
            bound = await run_and_tell(process, ready=tell, late=partial(leave, within, told.log), within=within)
        finally:
            watching.cancel()
            await asyncio.wait([watching])
    if watching.cancelled() or signals.came:
        return False
    watching.result()
    bound.cancel()  # the old one is closed; the new one has time of its own
    return True


async def _renewed_if_stuck(process: Process, name: ProcessName, settings: Settings, told: Told) -> None:
    """Return once the process was stuck and has been asked to end; for ever where it has no group of its own."""
    topics = [spec.name for spec in bundled_topics() if name in spec.consumed_by]
    if not isinstance(process, Renewable):
        await asyncio.Event().wait()
        return
    well = partial(is_kafka_well, settings.kafka.bootstrap_servers, topics, security=settings.kafka_security.security())
    why = await stuck(process, well, after=settings.kafka.stuck_seconds)
    told.log.error("stuck while Kafka answers others: its consumer is opened anew", why=why)
    told.metrics.reopened()
    process.renew()


async def _opened(
    into: AsyncExitStack, name: ProcessName, settings: Settings, told: Told, signals: Signals
) -> Process | None:
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
    signals.lead_to(opening.cancel)
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
    # What requests wait for is in the workers' own metrics: no Redis that is slow is to hold the monitor up for it.
    async with open_lag_reader(settings, bundled_topics(), clock=clock, with_causes=False) as reader:
        history = LagHistory(Thresholds(late=watched.late_seconds, still=watched.still_seconds))
        yield Monitor(
            reader=reader,
            history=history,
            metrics=told.metrics,
            log=told.log,
            interval=watched.interval_seconds,
        )
