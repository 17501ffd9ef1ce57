"""What Faust does, in the process's own metrics."""

from collections.abc import Callable
from typing import Any

from faust.sensors import Sensor
from faust.types import TP

from fanzgpt_workers.observability.metrics import Metrics


class MetricsSensor(Sensor):
    """Counts records, sends that failed and rebalances; everything else that Faust tells is let go."""

    def __init__(self, metrics: Metrics, *, rebalancing: Callable[[], None]) -> None:
        """`rebalancing` is told as a rebalance begins."""
        super().__init__()
        self._metrics = metrics
        self._rebalancing = rebalancing

    def on_message_in(self, tp: TP, offset: int, message: Any) -> None:  # noqa: ARG002 - as Faust calls it
        """A record was fetched."""
        self._metrics.consumed(tp.topic)

    def on_send_error(self, producer: Any, exc: BaseException, state: Any) -> None:  # noqa: ARG002 - as Faust calls it
        """A record of the table was not written."""
        self._metrics.unavailable("kafka")

    def on_rebalance_start(self, app: Any) -> dict[str, Any]:  # noqa: ARG002 - as Faust calls it
        """Partitions are about to move."""
        self._rebalancing()
        return {}
