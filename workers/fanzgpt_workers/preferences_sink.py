"""The preferences sink: preference events become `users.ai_preferences`."""

from contextlib import AbstractAsyncContextManager

from fanzgpt_schemas.events import PREFERENCES_TOPIC
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.settings import Settings
from fanzgpt_workers.sink_ports import PreferencesRow
from fanzgpt_workers.sink_process import open_sink
from fanzgpt_workers.sinks.loop import Sink
from fanzgpt_workers.sinks.rows import preferences_row
from fanzgpt_workers.stores.postgres_sink_store import preferences_store
from fanzgpt_workers.watching import SinkWatch


def open_preferences_sink(
    settings: Settings, *, clock: Clock, watch: SinkWatch
) -> AbstractAsyncContextManager[Sink[PreferencesRow]]:
    """The wired sink, its consumer connected. Raises Unavailable at start."""
    return open_sink(
        settings,
        process="preferences-sink",
        topic=PREFERENCES_TOPIC,
        to_row=preferences_row,
        open_store=preferences_store,
        clock=clock,
        watch=watch,
    )
