"""The analytics sink: analytics events become `ai_analytics` rows."""

from contextlib import AbstractAsyncContextManager

from fanzgpt_schemas.events import ANALYTICS_TOPIC
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.settings import Settings
from fanzgpt_workers.sink_ports import AnalyticsRow
from fanzgpt_workers.sink_process import open_sink
from fanzgpt_workers.sinks.loop import Sink
from fanzgpt_workers.sinks.rows import analytics_row
from fanzgpt_workers.stores.postgres_sink_store import analytics_store
from fanzgpt_workers.watching import SinkWatch


def open_analytics_sink(
    settings: Settings, *, clock: Clock, watch: SinkWatch
) -> AbstractAsyncContextManager[Sink[AnalyticsRow]]:
    """The wired sink, its consumer connected. Raises Unavailable at start."""
    return open_sink(
        settings,
        process="analytics-sink",
        topic=ANALYTICS_TOPIC,
        to_row=analytics_row,
        open_store=analytics_store,
        clock=clock,
        watch=watch,
    )
