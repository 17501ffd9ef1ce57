"""What the gateway counts. Labels have few values by construction: routes, statuses, types; never a user."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30)
_METHODS: Final = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS"})


class Metrics:
    """One registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._served = Counter(
            "fanzgpt_http_requests_total",
            "Calls by their answer.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "fanzgpt_http_request_duration_seconds",
            "From a call's first byte to its answer's last.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._asked = Counter(
            "fanzgpt_gateway_requests_total",
            "Generation requests by outcome: completed, pending, or the reason there is no answer.",
            ("type", "outcome"),
            registry=self.registry,
        )
        self._limited = Counter(
            "fanzgpt_gateway_limited_total", "Requests beyond their user's window.", registry=self.registry
        )
        self._waiting = Gauge("fanzgpt_gateway_waiting", "Calls that wait for their answer.", registry=self.registry)
        self._alone = Gauge(
            "fanzgpt_gateway_windows_alone",
            "1 while windows are counted per replica, because Redis is away or not set.",
            registry=self.registry,
        )

    def served(self, method: str, route: str, status: int, seconds: float) -> None:
        """A call was answered."""
        self._served.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def asked(self, generation_type: str, outcome: str) -> None:
        """A generation request came to its outcome, as far as its caller waited for it."""
        self._asked.labels(generation_type, outcome).inc()

    def limited(self) -> None:
        """A request was one too many."""
        self._limited.inc()

    def waiting(self, calls: int) -> None:
        """How many calls wait now."""
        self._waiting.set(calls)

    def windows_alone(self, alone: bool) -> None:
        """Whether windows are counted per replica."""
        self._alone.set(alone)

    def scrape(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
