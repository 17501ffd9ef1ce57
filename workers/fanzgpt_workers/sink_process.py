"""What every sink process is made of; each names its topic, its row and its store."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal, Protocol, TypeVar

from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.events import TopicName
from fanzgpt_workers.crash_points import crash_points
from fanzgpt_workers.engine.group import Membership, open_consumer, start_consumer
from fanzgpt_workers.observability.measured import MeasuredPublisher
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.publishing.dead_letters import DeadLetters
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.records import Record
from fanzgpt_workers.settings import Settings
from fanzgpt_workers.sink_ports import SinkStore
from fanzgpt_workers.sinks.loop import Identified, Sink
from fanzgpt_workers.stores.database import Database, open_database
from fanzgpt_workers.watching import SinkWatch

Row = TypeVar("Row", bound=Identified)
RowOut = TypeVar("RowOut", bound=Identified, contravariant=True)


class OpenStore(Protocol[RowOut]):
    """Makes a sink's store on a database, for a consumer group."""

    def __call__(
        self, database: Database, *, group: str, unknown_users: Literal["dead-letter", "create"]
    ) -> SinkStore[RowOut]:
        """The store."""
        ...


@asynccontextmanager
async def open_sink(
    settings: Settings,
    *,
    process: str,
    topic: TopicName,
    to_row: Callable[[Record], Row],
    open_store: OpenStore[Row],
    clock: Clock,
    watch: SinkWatch,
) -> AsyncIterator[Sink[Row]]:
    """The wired sink, its consumer connected."""
    kafka, security = settings.kafka, settings.kafka_security.security()
    group, client = kafka.group(process), f"fanzgpt-{process}"
    points = crash_points(settings.process.crash_at)
    async with (
        await open_database(
            settings.database.url.get_secret_value(),
            size=settings.database.pool_size,
            deadline=settings.database.statement_timeout_seconds,
            application=client,
        ) as database,
        KafkaPublisher(
            kafka.bootstrap_servers, deadline=kafka.send_timeout_seconds, client_id=client, security=security
        ) as publisher,
    ):
        publication = Publication(
            MeasuredPublisher(points.publisher(publisher), watch.metrics, acknowledged=watch.broker_back),
            away=watch.broker_away,
        )
        consumer = open_consumer(
            Membership(
                bootstrap_servers=kafka.bootstrap_servers,
                security=security,
                group_id=group,
                client_id=client,
                drain_seconds=settings.sinks.drain_seconds,
                instance_id=kafka.group_instance_id,
                session_timeout_seconds=kafka.session_timeout_seconds,
            )
        )
        await start_consumer(consumer, kafka.bootstrap_servers)
        yield Sink(
            consumer=points.consumer(consumer),
            topic=topic,
            to_row=to_row,
            store=points.store(open_store(database, group=group, unknown_users=settings.sinks.unknown_users)),
            dead_letters=DeadLetters(publication, consumer=group, clock=clock),
            batch_rows=settings.sinks.batch_rows,
            watcher=watch,
        )
