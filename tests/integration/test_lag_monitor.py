"""The monitor on a real broker: figures while it can read, none while it cannot."""

import io
import json
import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from fanzgpt_workers.lag.groups import open_groups
from fanzgpt_workers.lag.oldest import open_log
from fanzgpt_workers.lag.reading import Consumed, LagReader
from fanzgpt_workers.lag.standing import Thresholds
from fanzgpt_workers.lag.watching import LagHistory
from fanzgpt_workers.monitor import Monitor
from fanzgpt_workers.observability.logs import open_logs
from fanzgpt_workers.observability.metrics import Metrics
from fanzgpt_workers.settings import Settings

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Fixed:
    def now(self) -> datetime:
        return NOW


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
async def topic(kafka_bootstrap: str) -> AsyncIterator[str]:
    """A topic with one record, 90 seconds old."""
    name = f"monitored.{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs={"retention.ms": "-1"})])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        old = int((NOW - timedelta(seconds=90)).timestamp() * 1000)
        await producer.send_and_wait(name, b"{}", timestamp_ms=old)
    return name


@asynccontextmanager
async def monitoring(bootstrap: str, topic: str, metrics: Metrics, stream: io.StringIO) -> AsyncIterator[Monitor]:
    async with open_groups(bootstrap, deadline=5) as groups, open_log(bootstrap) as log:
        expected = [Consumed(group=topic, topics=[topic])]
        reader = LagReader(groups=groups, log=log, accounts=None, expected=expected, clock=Fixed())
        yield Monitor(
            reader=reader,
            history=LagHistory(Thresholds(late=60, still=120)),
            metrics=metrics,
            log=open_logs(Settings(), process="monitor", stream=stream),
            interval=0.2,
        )


async def test_lag_of_a_group_without_members_is_told_in_metrics_and_once_in_the_log(
    kafka_bootstrap: str, topic: str
) -> None:
    metrics, stream = Metrics(), io.StringIO()
    async with monitoring(kafka_bootstrap, topic, metrics, stream) as monitor:
        assert not (await monitor.check()).well
        await monitor.look()
        await monitor.look()
        assert (await monitor.check()).detail == "1 partitions of 1 groups, 1 not OK, at 09:00:00 UTC"
    scraped = metrics.scrape().decode()
    labels = f'group="{topic}",partition="0",topic="{topic}"'
    assert f"fanzgpt_consumer_lag_records{{{labels}}} 1.0" in scraped
    assert f"fanzgpt_consumer_lag_seconds{{{labels}}} 90.0" in scraped
    assert f"fanzgpt_consumer_lag_status{{{labels}}} 3.0" in scraped
    assert f'fanzgpt_consumer_group_members{{group="{topic}"}} 0.0' in scraped
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = [line for line in lines if line["event"] == "lag_status_changed"]
    assert [(line["before"], line["now"], line["records"]) for line in told] == [("OK", "STOPPED", 1)]


async def test_it_runs_until_it_is_stopped(kafka_bootstrap: str, topic: str) -> None:
    async with monitoring(kafka_bootstrap, topic, Metrics(), io.StringIO()) as monitor:
        monitor.stop()
        await monitor.run()
        assert not (await monitor.check()).well
