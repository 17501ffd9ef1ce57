"""The usage of one partition: a function of the records of its log, in their order, and of nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from fanzgpt_workers.core.usage.baseline import Baseline, Measure, measured, worth_telling
from fanzgpt_workers.core.usage.tally import Tally, bucket_of, merged
from fanzgpt_workers.core.usage.windows import Anomaly, Closing, Cut, Fate, Key, Usage, Window

_MEASURED: Final[dict[str, tuple[Measure, ...]]] = {"user": ("spend", "errors"), "model": ("spend", "errors")}
BASELINE_KEPT_MS: Final = 7 * 86_400_000

BaselineKey = tuple[Key, Measure]


@dataclass(slots=True, kw_only=True)
class Shard:
    """Panes that are open, and how far the log is in them.

    `offset` is the last record applied, `newest` the newest event time up to it, `closed` the boundary up to which
    windows were given out for good. Times are in ms since 1970, panes are named by their end.
    """

    cut: Cut
    offset: int = -1
    newest: int = 0
    closed: int = 0
    late: int = 0
    panes: dict[int, dict[Key, Tally]] = field(default_factory=dict)
    ids: dict[int, set[bytes]] = field(default_factory=dict)
    baselines: dict[BaselineKey, Baseline] = field(default_factory=dict)

    @property
    def boundary(self) -> int:
        """Windows that end by it are final: an event that would belong to one is late."""
        return (self.newest - self.cut.lateness_ms) // self.cut.pane_ms * self.cut.pane_ms

    def pane_of(self, at_ms: int) -> int:
        """The end of the pane that an instant is in."""
        return (at_ms // self.cut.pane_ms + 1) * self.cut.pane_ms

    def apply(self, offset: int, usage: Usage) -> Fate:
        """Count a record of the log. One at or below `offset` is replayed and changes nothing.

        A key whose figures already hold this record (they were kept, and what belongs with them was not) is left as
        it is.
        """
        if offset <= self.offset:
            return "replayed"
        self.offset = offset
        end = self.pane_of(usage.at_ms)
        if end <= self.boundary:
            self.late += 1
            return "late"
        self.newest = max(self.newest, usage.at_ms)
        ids = self.ids.setdefault(end, set())
        if usage.event_id in ids:
            return "duplicate"
        ids.add(usage.event_id)
        pane = self.panes.setdefault(end, {})
        bucket = None if usage.latency_ms is None else bucket_of(usage.latency_ms)
        for key in usage.counts_for():
            tally = pane.get(key)
            if tally is None:
                tally = pane[key] = Tally()
            elif tally.offset >= offset:
                continue
            tally.offset = offset
            tally.requests += 1
            tally.failed += usage.failed
            tally.cached += usage.cached
            tally.input_tokens += usage.input_tokens
            tally.output_tokens += usage.output_tokens
            tally.cost_pico += usage.cost_pico
            if bucket is not None:
                tally.latencies[bucket] = tally.latencies.get(bucket, 0) + 1
        return "counted"

    def skip(self, offset: int) -> None:
        """Pass a record that tells nothing of usage."""
        self.offset = max(self.offset, offset)

    def advance(self, to_ms: int) -> bool:
        """Let time pass where nobody writes; whether that makes windows final."""
        before = self.boundary
        if self.panes:
            self.newest = max(self.newest, to_ms)
        return self.boundary > before

    def closing(self, upto: int) -> Closing | None:
        """What becomes final at the boundary `upto`; the baselines learn of it. None where nothing does.

        To be asked again after a crash, and gives the same windows; of the anomalies those whose baseline was not kept.
        """
        ends = sorted(
            {
                end
                for pane in self.panes
                for end in range(pane, pane + self.cut.panes * self.cut.pane_ms, self.cut.pane_ms)
                if self.closed < end <= upto
            }
        )
        if not ends:
            return None
        windows: list[Window] = []
        anomalies: list[Anomaly] = []
        for end in ends:
            windows += self._windows(end)
            for key, tally in sorted(self.panes.get(end, {}).items()):
                for measure in _MEASURED.get(key[0], ()):
                    anomalies += self._anomalies(end, key, tally, measure)
        return Closing(upto=upto, windows=tuple(windows), anomalies=tuple(anomalies))

    def close(self, upto: int) -> None:
        """The windows up to here were given out: forget what no later window needs."""
        self.closed = max(self.closed, upto)
        for end in [end for end in self.panes if self.over(end)]:
            del self.panes[end]
        for end in [end for end in self.ids if end <= self.closed]:
            del self.ids[end]

    def over(self, pane: int) -> bool:
        """Whether no window to come has a part in this pane."""
        return pane + (self.cut.panes - 1) * self.cut.pane_ms <= self.closed

    def forgotten(self) -> list[BaselineKey]:
        """Keys not seen for seven days; their baselines are dropped."""
        old = [key for key, kept in self.baselines.items() if kept.window_end < self.closed - BASELINE_KEPT_MS]
        for key in old:
            del self.baselines[key]
        return old

    def _windows(self, end: int) -> Iterator[Window]:
        pane = self.cut.pane_ms
        for key, tally in sorted(self.panes.get(end, {}).items()):
            yield Window(kind="tumbling", key=key, start_ms=end - pane, end_ms=end, tally=tally)
        if self.cut.panes == 1:
            return
        first = end - (self.cut.panes - 1) * pane
        parts: dict[Key, list[Tally]] = {}
        for each in range(first, end + 1, pane):
            for key, tally in self.panes.get(each, {}).items():
                parts.setdefault(key, []).append(tally)
        for key, tallies in sorted(parts.items()):
            yield Window(kind="hopping", key=key, start_ms=first - pane, end_ms=end, tally=merged(tallies))

    def _anomalies(self, end: int, key: Key, tally: Tally, measure: Measure) -> Iterator[Anomaly]:
        baseline = self.baselines.setdefault((key, measure), Baseline())
        if baseline.window_end >= end:
            return
        value = measured(tally, measure)
        score = baseline.score(value, measure)
        settled = baseline.windows >= self.cut.settled_windows
        if settled and score >= self.cut.threshold and worth_telling(tally, measure):
            yield Anomaly(
                key=key,
                measure=measure,
                start_ms=end - self.cut.pane_ms,
                end_ms=end,
                measured=value,
                normal=baseline.mean,
                score=score,
                windows=baseline.windows,
            )
        baseline.learn(value, measure, window_end=end)
