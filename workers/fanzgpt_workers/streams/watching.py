"""What the usage streams tell, as metrics and log lines."""

from collections import Counter

from structlog.typing import FilteringBoundLogger

from fanzgpt_schemas.errors import ContractError
from fanzgpt_workers.core.usage.windows import Closing, Fate
from fanzgpt_workers.observability.metrics import Metrics
from fanzgpt_workers.observability.standing import Standing
from fanzgpt_workers.records import Record


class StreamsWatch:
    """The usage streams' eyes."""

    def __init__(self, metrics: Metrics, log: FilteringBoundLogger, standing: Standing) -> None:
        """Report to these."""
        self.metrics = metrics
        self._standing = standing
        self._log = log

    def applied(self, fate: Fate | None) -> None:
        """A record was taken."""
        self.metrics.stream_applied(fate or "other")

    def unreadable(self, record: Record, error: ContractError) -> None:
        """A record holds no event; the analytics sink makes the dead letter, so that there is one."""
        self.metrics.stream_applied("unreadable")
        self._log.warning("unreadable", record=str(record.origin), error=str(error))

    def missing(self, partition: int, *, expected: int, found: int) -> None:
        """Retention was faster than this process."""
        self._log.error("records gone before they were counted", partition=partition, expected=expected, found=found)

    def left_out(self, partition: int, *, expected: int) -> None:
        """Faust has not handed out what is in the log."""
        self._log.info("read again what was left out", partition=partition, expected=expected)

    def told(self, closing: Closing) -> None:
        """Windows became final."""
        for (dimension, kind), number in Counter((each.key[0], each.kind) for each in closing.windows).items():
            self.metrics.stream_told(dimension, kind, number)
        for each in closing.anomalies:
            self.metrics.stream_anomaly(each.key[0], each.measure)
            # Of whom it is stands in the event, which is personal data; a log line is kept by other rules.
            self._log.warning("anomaly", dimension=each.key[0], measure=each.measure, score=round(each.score, 1))

    def kept(self, *, records: int, seconds: float, open_keys: int) -> None:
        """What had changed is kept."""
        self._standing.back("kafka")
        self.metrics.stream_kept(seconds=seconds, open_keys=open_keys)
        self._log.debug("kept", records=records, seconds=round(seconds, 4))

    def restored(self, partitions: int) -> None:
        """A rebalance has ended."""
        self.metrics.rebalanced(assigned=partitions)
        self._log.info("restored", partitions=partitions)

    def rebalancing(self) -> None:
        """A rebalance has begun."""
        self._log.info("rebalancing")

    def broker_back(self) -> None:
        """Kafka has acknowledged."""
        self._standing.back("kafka")

    def broker_away(self, error: Exception) -> None:
        """Kafka does not answer; whoever asked asks again, or goes on without it."""
        self.metrics.unavailable("kafka")
        self._standing.away("kafka", error)
        self._log.warning("waiting for Kafka", error=str(error))
