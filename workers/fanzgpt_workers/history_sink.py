"""The history sink: completions become `ai_generation_history` rows and usage statistics."""

from contextlib import AbstractAsyncContextManager

from fanzgpt_schemas.events import COMPLETED_TOPIC
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.settings import Settings
from fanzgpt_workers.sink_ports import HistoryRow
from fanzgpt_workers.sink_process import open_sink
from fanzgpt_workers.sinks.loop import Sink
from fanzgpt_workers.sinks.rows import history_row
from fanzgpt_workers.stores.postgres_sink_store import history_store
from fanzgpt_workers.watching import SinkWatch


def open_history_sink(
    settings: Settings, *, clock: Clock, watch: SinkWatch
) -> AbstractAsyncContextManager[Sink[HistoryRow]]:
    """The wired sink, its consumer connected. Raises Unavailable at start."""
    return open_sink(
        settings,
        process="history-sink",
        topic=COMPLETED_TOPIC,
        to_row=history_row,
        open_store=history_store,
        clock=clock,
        watch=watch,
    )
