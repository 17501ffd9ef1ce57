"""The streams process, wired."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.events import ANALYTICS_TOPIC
from fanzgpt_workers.core.usage.windows import Cut
from fanzgpt_workers.errors import BrokerUnavailable
from fanzgpt_workers.groupless import open_groupless
from fanzgpt_workers.observability.measured import MeasuredPublisher
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.settings import Settings
from fanzgpt_workers.streams.application import application
from fanzgpt_workers.streams.process import Pace, Streams
from fanzgpt_workers.streams.sensor import MetricsSensor
from fanzgpt_workers.streams.watching import StreamsWatch

CLIENT: Final = "fanzgpt-streams"


@asynccontextmanager
async def open_streams(settings: Settings, *, clock: Clock, watch: StreamsWatch) -> AsyncIterator[Streams]:
    """The wired process. Raises Unavailable while no broker answers, or the events' topic is not there."""
    kafka, security, told = settings.kafka, settings.kafka_security.security(), settings.streams
    async with open_groupless(kafka.bootstrap_servers, client_id=CLIENT, security=security) as consumer:
        metadata = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - a reader without topics knows none
        partitions = len(metadata.partitions_for_topic(ANALYTICS_TOPIC) or ())
        brokers = len(metadata.brokers())
    if not partitions:
        raise BrokerUnavailable(f"{ANALYTICS_TOPIC} is not on {kafka.bootstrap_servers}: run `fanzgpt topics apply`")
    cut = Cut(
        pane_ms=told.window_seconds * 1000,
        panes=told.hopping_windows,
        lateness_ms=told.lateness_seconds * 1000,
        threshold=told.threshold,
        settled_windows=told.settled_windows,
    )
    with TemporaryDirectory(prefix="fanzgpt-streams-") as folder:
        async with KafkaPublisher(
            kafka.bootstrap_servers, deadline=kafka.send_timeout_seconds, client_id=CLIENT, security=security
        ) as publisher:
            app, table, topic = application(
                kafka, security, partitions=partitions, brokers=brokers, cut=cut, folder=Path(folder)
            )
            app.sensors.add(MetricsSensor(watch.metrics, rebalancing=watch.rebalancing))
            yield Streams(
                app=app,
                table=table,
                topic=topic,
                publication=Publication(
                    MeasuredPublisher(publisher, watch.metrics, acknowledged=watch.broker_back),
                    away=watch.broker_away,
                ),
                clock=clock,
                pace=Pace(
                    checkpoint_seconds=told.checkpoint_seconds,
                    idle_seconds=told.idle_seconds,
                    ahead_ms=cut.lateness_ms,
                ),
                watcher=watch,
            )
