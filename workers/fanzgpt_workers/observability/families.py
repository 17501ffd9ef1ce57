"""Metric families whose children are resolved once and whose number of time series is bounded."""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Metric = TypeVar("Metric", Counter, Gauge, Histogram)

SERIES_LIMIT: Final = 500
"""Children of one family. Above it new ones count as `other`: names chosen by a caller must not grow memory."""

OTHER: Final = "other"


class Family(Generic[Metric]):
    """One metric with labels. Calling it with label values gives the child, cached: 0.1 us after the first time."""

    __slots__ = ("_children", "_limit", "_parent", "labels", "name")

    def __init__(self, parent: Metric, name: str, labels: Sequence[str], *, limit: int = SERIES_LIMIT) -> None:
        """`name` is the full name as it is scraped."""
        self._parent: Metric = parent
        self._children: dict[tuple[str, ...], Metric] = {}
        self._limit = limit
        self.name = name
        self.labels = tuple(labels)

    def __call__(self, *values: str) -> Metric:
        """The child for these label values, in the order of the labels."""
        try:
            return self._children[values]
        except KeyError:
            return self._add(values)

    def clear(self) -> None:
        """Drop every child, so that what is gone is not scraped as if it were still there."""
        self._children.clear()
        self._parent.clear()

    def _add(self, values: tuple[str, ...]) -> Metric:
        full = len(self._children) >= self._limit
        key = (OTHER,) * len(self.labels) if full else values
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._parent.labels(*key) if key else self._parent
        return child


class Families:
    """Makes families in one registry, and knows them all: the reference page is generated from this list."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Nothing is registered yet."""
        self._registry = registry
        self.made: list[tuple[str, str, tuple[str, ...], str]] = []

    def counter(self, name: str, text: str, *labels: str) -> Family[Counter]:
        """A counter; `name` ends in `_total`."""
        return Family(
            Counter(name, text, labels, registry=self._registry), self._note(name, "counter", labels, text), labels
        )

    def gauge(self, name: str, text: str, *labels: str) -> Family[Gauge]:
        """A gauge."""
        return Family(
            Gauge(name, text, labels, registry=self._registry), self._note(name, "gauge", labels, text), labels
        )

    def histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float]) -> Family[Histogram]:
        """A histogram in the unit its name ends in."""
        parent = Histogram(name, text, labels, registry=self._registry, buckets=tuple(buckets))
        return Family(parent, self._note(name, "histogram", labels, text), labels)

    def _note(self, name: str, kind: str, labels: Sequence[str], text: str) -> str:
        self.made.append((name, kind, tuple(labels), text))
        return name
