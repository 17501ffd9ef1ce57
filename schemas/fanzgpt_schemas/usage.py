"""Facts about usage as a whole: windows that are final, and those that were far from normal."""

from typing import Annotated, Literal

from pydantic import Field

from fanzgpt_schemas.base import Count, Instant, Model

Dimension = Literal["user", "type", "provider", "model"]
UsageKey = Annotated[str, Field(min_length=1, max_length=512)]
Dollars = Annotated[str, Field(pattern=r"^\d{1,15}(\.\d{1,12})?$")]


class LatencySketch(Model):
    """Latencies counted in buckets: number n holds those above gamma^(n-1) ms and not above gamma^n, -1 those of 0.

    Sketches of the same gamma add up, bucket by bucket; a quantile read from the sum is within
    (gamma - 1) / (gamma + 1) of the true one.
    """

    gamma: Annotated[float, Field(gt=1, le=2)]
    buckets: tuple[tuple[Annotated[int, Field(ge=-1, le=100_000)], Count], ...] = ()


class UsageWindow(Model):
    """What one user, type, provider or model used between `start` (inclusive) and `end`; final, told once.

    A repeated fact has the same event id and the same figures. A user's window is whole; one of another dimension is
    what one `shard` (partition of ai.analytics.event) saw: all shards' windows add up to the whole, latencies included.
    `key` of a model is provider/model. `requests` are generations that ended, `failed` those without an answer,
    `cached` those that took another's. `cost_usd` is exact, to 1e-12. Quantiles are in ms, within 1 %.
    """

    dimension: Dimension
    key: UsageKey
    window: Literal["tumbling", "hopping"]
    start: Instant
    end: Instant
    shard: Count
    requests: Count
    failed: Count
    cached: Count
    input_tokens: Count
    output_tokens: Count
    cost_usd: Dollars
    p50_ms: Count | None = None
    p95_ms: Count | None = None
    p99_ms: Count | None = None
    latency: LatencySketch


class UsageAnomaly(Model):
    """A tumbling window in which a user or model was far above its own normal in what it spent or how often it failed.

    `measured` and `normal` are US dollars (`spend`) or the share of requests that failed (`errors`); `score` is their
    distance in deviations; `windows` is on how many windows the normal rests.
    """

    dimension: Dimension
    key: UsageKey
    measure: Literal["spend", "errors"]
    start: Instant
    end: Instant
    shard: Count
    measured: Annotated[float, Field(ge=0)]
    normal: float
    score: float
    windows: Count
