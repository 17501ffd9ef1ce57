"""Windows and anomalies as events, under ids that depend on what they are about alone."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from fanzgpt_schemas.codec import Encoded, encode
from fanzgpt_schemas.events import Event
from fanzgpt_schemas.identity import foreign_event_id
from fanzgpt_schemas.usage import LatencySketch, UsageAnomaly, UsageWindow
from fanzgpt_workers.core.usage.tally import GAMMA, dollars
from fanzgpt_workers.core.usage.windows import Anomaly, Key, Window

SOURCE: Final = "fanzgpt/streams"


def window_fact(window: Window, *, shard: int) -> Encoded:
    """The fact of a window that is final."""
    tally = window.tally
    about = f"{window.kind}:{window.start_ms}:{window.end_ms}"
    fact = UsageWindow(
        dimension=window.key[0],
        key=window.key[1],
        window=window.kind,
        start=_instant(window.start_ms),
        end=_instant(window.end_ms),
        shard=shard,
        requests=tally.requests,
        failed=tally.failed,
        cached=tally.cached,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        cost_usd=dollars(tally.cost_pico),
        p50_ms=_rounded(tally.quantile(0.5)),
        p95_ms=_rounded(tally.quantile(0.95)),
        p99_ms=_rounded(tally.quantile(0.99)),
        latency=LatencySketch(gamma=GAMMA, buckets=tuple(sorted(tally.latencies.items()))),
    )
    return _encode(fact, _identity("window", about, shard, window.key), window.end_ms)


def anomaly_fact(anomaly: Anomaly, *, shard: int) -> Encoded:
    """The fact of a window that was far from normal."""
    about = f"{anomaly.measure}:{anomaly.start_ms}:{anomaly.end_ms}"
    fact = UsageAnomaly(
        dimension=anomaly.key[0],
        key=anomaly.key[1],
        measure=anomaly.measure,
        start=_instant(anomaly.start_ms),
        end=_instant(anomaly.end_ms),
        shard=shard,
        measured=round(anomaly.measured, 9),
        normal=round(anomaly.normal, 9),
        score=round(anomaly.score, 3),
        windows=anomaly.windows,
    )
    return _encode(fact, _identity("anomaly", about, shard, anomaly.key), anomaly.end_ms)


def _identity(kind: str, about: str, shard: int, key: Key) -> UUID:
    return foreign_event_id(SOURCE, f"{kind}:{shard}:{about}:{key[0]}:{key[1]}")


def _encode(fact: Event, identity: UUID, at_ms: int) -> Encoded:
    return encode(fact, event_id=identity, time=_instant(at_ms), source=SOURCE)


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _rounded(latency_ms: float | None) -> int | None:
    return None if latency_ms is None else round(latency_ms)
