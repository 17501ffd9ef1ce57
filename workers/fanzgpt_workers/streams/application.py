"""The Faust application, under the settings with which it keeps what it takes."""

from pathlib import Path
from typing import Any, Final

import faust
from yarl import URL

from fanzgpt_producers.security import Security
from fanzgpt_schemas.events import ANALYTICS_TOPIC
from fanzgpt_workers.core.usage.windows import Cut
from fanzgpt_workers.settings import KafkaSettings
from fanzgpt_workers.streams.table import UsageTable
from fanzgpt_workers.streams.transport import Transport

COMMIT_SECONDS: Final = 1.0
BUFFERED: Final = 16_384  # of a partition; two seconds of the fastest
CHANGELOG: Final = {
    "cleanup.policy": "compact",
    "segment.ms": "3600000",  # compaction never looks at the segment being written
    "max.message.bytes": "1048576",
}


def application(
    kafka: KafkaSettings, security: Security, *, partitions: int, brokers: int, cut: Cut, folder: Path
) -> tuple[Any, UsageTable, Any]:
    """The application, its table, and the topic that it reads.

    At least once, and never acknowledged: Faust commits nothing by itself. It makes the table's changelog where that is
    missing, with as many partitions as the events' topic; nothing else.
    """
    options: dict[str, Any] = {}
    if security.mechanism is not None:
        options["broker_credentials"] = faust.SASLCredentials(
            username=security.username,
            password=security.password,
            ssl_context=security.tls,
            mechanism=security.mechanism,
        )
    elif security.tls is not None:
        options["broker_credentials"] = faust.SSLCredentials(security.tls)
    app: Any = faust.App(
        kafka.group("streams"),
        broker=[URL(f"kafka://{server}") for server in kafka.bootstrap_servers.split(",")],
        datadir=str(folder),
        store="memory://",
        Table=UsageTable,
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=True,
        topic_partitions=partitions,
        topic_replication_factor=min(3, brokers),
        table_standby_replicas=0,
        processing_guarantee="at_least_once",
        stream_publish_on_commit=False,
        stream_wait_empty=False,
        stream_buffer_maxsize=BUFFERED,
        stream_processing_timeout=600,
        cython_optimizations=True,
        broker_max_poll_records=2_000,
        broker_commit_interval=COMMIT_SECONDS,
        broker_commit_every=10**9,
        broker_session_timeout=kafka.session_timeout_seconds,
        broker_heartbeat_interval=min(3.0, kafka.session_timeout_seconds / 3),
        broker_rebalance_timeout=60,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_linger=0.005,
        producer_max_batch_size=262_144,
        loghandlers=[],
        **options,
    )
    app.transport = Transport(app.conf.broker_consumer, app)
    table = app.Table("usage", key_type=bytes, value_type=bytes, partitions=partitions, extra_topic_configs=CHANGELOG)
    table.cut = cut
    topic = app.topic(
        ANALYTICS_TOPIC,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )
    return app, table, topic
