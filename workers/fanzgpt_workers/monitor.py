"""The monitor process: looks at every group's lag from outside, whether its members live or not, and tells."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

from structlog.typing import FilteringBoundLogger

from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import DatabaseUnavailable, Unavailable
from fanzgpt_workers.lag.reading import LagReader
from fanzgpt_workers.lag.standing import LagReport, Status
from fanzgpt_workers.lag.watching import Judged, LagHistory
from fanzgpt_workers.observability.health import Finding
from fanzgpt_workers.observability.metrics import Metrics, PartitionLag


class Monitor:
    """Reads lag at an interval into metrics, and logs each change of a status once.

    While a server is away the last figures are withdrawn rather than served as if they were fresh, and /health/ready
    says which server it is.
    """

    def __init__(
        self,
        *,
        reader: LagReader,
        history: LagHistory,
        metrics: Metrics,
        log: FilteringBoundLogger,
        interval: float,
    ) -> None:
        """`interval` is in seconds."""
        self._reader = reader
        self._history = history
        self._metrics = metrics
        self._log = log
        self._interval = interval
        self._statuses: dict[tuple[str, Partition], Status] = {}
        self._finding = Finding(well=False, detail="has not looked yet")
        self._looked = asyncio.Event()
        self._turned = asyncio.get_running_loop().time()
        self._stopping = asyncio.Event()

    async def look(self) -> Sequence[Judged]:
        """Look once; raises what reading raises."""
        report = await self._reader.read()
        judged = self._history.add(report)
        self._metrics.consumer_lags(_lags(judged))
        self._metrics.group_members(report.members)
        self._metrics.batched(report.batched)
        self._tell_changes(judged)
        self._finding = Finding(well=True, detail=_summary(report, judged))
        self._looked.set()
        return judged

    async def run(self) -> None:
        """Look until `stop`; a server that is away is waited for."""
        while not self._stopping.is_set():
            self._turned = asyncio.get_running_loop().time()
            try:
                await self.look()
            except Unavailable as error:
                self._metrics.consumer_lags(())
                self._metrics.batched(())
                self._metrics.unavailable("postgresql" if isinstance(error, DatabaseUnavailable) else "kafka")
                self._finding = Finding(well=False, detail=str(error))
                self._log.warning("server_away", detail=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._interval)

    def stop(self) -> None:
        """End `run` after the look under way; idempotent, callable from a signal handler on the loop."""
        self._stopping.set()

    async def ending(self) -> None:
        """Return once it has been told to stop."""
        await self._stopping.wait()

    async def joined(self) -> None:
        """Return at once: it watches alone."""

    def membership(self) -> tuple[bool, str]:
        """Whether its figures are fresh, and in words."""
        return self._finding.well, self._finding.detail

    def still_seconds(self) -> float:
        """How long it has not looked, beyond its interval."""
        return max(0.0, asyncio.get_running_loop().time() - self._turned - self._interval)

    async def first_look(self) -> None:
        """Return once figures are there."""
        await self._looked.wait()

    async def check(self) -> Finding:
        """For /health/ready."""
        return self._finding

    def _tell_changes(self, judged: Sequence[Judged]) -> None:
        for one in judged:
            standing = one.standing
            key = (standing.group, standing.partition)
            before = self._statuses.get(key, "OK")
            self._statuses[key] = one.status
            if one.status != before:
                tell = self._log.info if one.status == "OK" else self._log.warning
                tell(
                    "lag_status_changed",
                    group=standing.group,
                    partition=str(standing.partition),
                    before=before,
                    now=one.status,
                    records=standing.records,
                    oldest_seconds=standing.seconds,
                    owner=standing.owner,
                )


def _lags(judged: Iterable[Judged]) -> list[PartitionLag]:
    return [
        PartitionLag(
            group=one.standing.group,
            partition=one.standing.partition,
            records=one.standing.records,
            seconds=one.standing.seconds or 0.0,
            status=one.status,
        )
        for one in judged
    ]


def _summary(report: LagReport, judged: Sequence[Judged]) -> str:
    ill = [one for one in judged if one.status != "OK"]
    return f"{len(judged)} partitions of {len(report.members)} groups, {len(ill)} not OK, at {report.at:%H:%M:%S} UTC"
