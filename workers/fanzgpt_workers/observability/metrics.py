"""Every metric of the running system, named once; a name that is not here does not type-check.

The first three are the ecosystem's. Its first draft labelled the counter with `user_id`; that would be one time series
per user, so the label does not exist: per-user figures are in PostgreSQL (`users.ai_usage_stats`,
`ai_generation_history`). No label carries a request, a user or a text.

Recording costs under 2 us: children are resolved once. States that would cost more to keep than to look up (in
flight, waiting, gaps) are set when somebody scrapes: see `Metrics.before_scrape`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from fanzgpt_workers.core.attempts import Outcome, Usage
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.lag.standing import Batched
from fanzgpt_workers.observability.families import Families

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

GENERATION_BUCKETS: Final = (0.1, 0.5, 1, 2, 5, 10, 30)
_CALL_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
_STORE_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
_SIZE_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

LedgerStatement = Literal["claim", "start-attempts", "settle", "finish", "mark-published"]
WaitCause = Literal[
    "lane", "user", "partition", "process", "provider-limit", "breaker", "retry", "ledger", "same-question"
]
CacheLookup = Literal["kept", "shared", "called", "alone"]
SinkName = Literal["history", "analytics", "preferences"]
LagStatus = Literal["OK", "WARN", "STALLED", "STOPPED"]
StreamFate = Literal["counted", "replayed", "duplicate", "late", "other", "unreadable"]
RowFate = Literal["stored", "duplicate", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """How far a group is behind in one partition: records, and the age in seconds of the oldest it has not done."""

    group: str
    partition: Partition
    records: int
    seconds: float
    status: LagStatus = "OK"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """What the engine holds at this moment; `oldest_seconds` is 0 when nothing is in flight."""

    in_flight: int
    oldest_seconds: float
    buffered_records: int
    buffered_bytes: int
    waiting: Mapping[WaitCause, int]
    commit_gaps: Mapping[Partition, int]


class Metrics:
    """One process's metrics, in a registry of their own: two in one interpreter never meet."""

    def __init__(self) -> None:
        """Register every family; nothing is measured yet."""
        self.registry: Final = CollectorRegistry()
        self._look: Callable[[], None] | None = None
        ProcessCollector(registry=self.registry)
        make = Families(self.registry)
        self._families = make

        self._generations = make.counter("fanzgpt_generations_total", "Requests that ended, by how.", "type", "status")
        self._durations = make.histogram(
            "fanzgpt_generation_duration_seconds",
            "From taking a request out of Kafka to its ending being published.",
            "type",
            buckets=GENERATION_BUCKETS,
        )
        self._tokens = make.counter(
            "fanzgpt_tokens_used_total", "Tokens the provider counted, input and output.", "provider", "model"
        )
        self._cost = make.counter(
            "fanzgpt_cost_usd_total",
            "Price of the settled attempts; a model without price adds nothing.",
            "provider",
            "model",
        )
        self._unpriced = make.counter(
            "fanzgpt_unpriced_attempts_total",
            "Answered attempts of a model without a known price.",
            "provider",
            "model",
        )
        self._prompt_tokens = make.counter(
            "fanzgpt_prompt_tokens_total",
            "Input tokens by what the provider's own cache did: read, written, or none.",
            "provider",
            "model",
            "cache",
        )
        self._lookups = make.counter(
            "fanzgpt_cache_lookups_total",
            "Questions that may share an answer: kept (in the cache), shared (somebody else's call), called (nobody "
            "had it), alone (Redis is away).",
            "result",
        )
        self._saved = make.counter(
            "fanzgpt_saved_usd_total",
            "What the calls had cost whose answers were given again.",
            "provider",
            "model",
        )
        self._lost_answers = make.counter(
            "fanzgpt_lost_answers_total",
            "Answers that a worker's death left unknown and that were looked for at their provider: fetched, not-there "
            "(called for again, or not, as onUnknown says), not-said (the provider was away).",
            "provider",
            "found",
        )
        self._over_budget = make.counter(
            "fanzgpt_budget_refusals_total",
            "Calls that found no room in a budget (total, tier or user): held (others may give back), or spent.",
            "budget",
            "state",
        )
        self._nearly_spent = make.counter(
            "fanzgpt_budgets_nearly_spent_total", "Budgets whose use passed AI_BUDGET_WARN_AT.", "budget"
        )
        self._calls = make.histogram(
            "fanzgpt_provider_call_seconds",
            "One provider call, by outcome.",
            "provider",
            "outcome",
            buckets=_CALL_BUCKETS,
        )
        self._consumed = make.counter("fanzgpt_records_consumed_total", "Records taken out of Kafka.", "topic")
        self._published = make.counter("fanzgpt_events_published_total", "Events acknowledged by Kafka.", "topic")
        self._publish_seconds = make.histogram(
            "fanzgpt_publish_seconds", "From handing events over to their acknowledgement.", buckets=_STORE_BUCKETS
        )
        self._dead_letters = make.counter(
            "fanzgpt_dead_letters_total", "Records set aside, by origin and reason.", "topic", "reason"
        )
        self._rebalances = make.counter(
            "fanzgpt_rebalanced_partitions_total", "Partitions given to or taken from this process.", "change"
        )
        self._flush_rows = make.histogram(
            "fanzgpt_ledger_flush_rows", "Rows of one ledger statement.", "statement", buckets=_SIZE_BUCKETS
        )
        self._flush_seconds = make.histogram(
            "fanzgpt_ledger_flush_seconds", "Duration of one ledger statement.", "statement", buckets=_STORE_BUCKETS
        )
        self._sink_rows = make.counter(
            "fanzgpt_sink_rows_total", "Rows a sink was given, by their fate.", "sink", "fate"
        )
        self._sink_batch = make.histogram(
            "fanzgpt_sink_batch_rows", "Rows of one sink transaction.", "sink", buckets=_SIZE_BUCKETS
        )
        self._sink_seconds = make.histogram(
            "fanzgpt_sink_batch_seconds", "Duration of one sink transaction.", "sink", buckets=_STORE_BUCKETS
        )
        self._stream_events = make.counter(
            "fanzgpt_stream_events_total",
            "Events the usage streams took: counted, replayed, duplicate, late (beyond the lateness), other (no ending "
            "of a generation), unreadable.",
            "fate",
        )
        self._stream_windows = make.counter(
            "fanzgpt_stream_windows_total", "Windows told as final.", "dimension", "window"
        )
        self._stream_anomalies = make.counter(
            "fanzgpt_stream_anomalies_total", "Windows far above their key's own normal.", "dimension", "measure"
        )
        self._stream_keeping = make.histogram(
            "fanzgpt_stream_keeping_seconds",
            "Writing what has changed to the changelog, and telling what became final.",
            buckets=_STORE_BUCKETS,
        )
        self._stream_keys = make.gauge("fanzgpt_stream_open_keys", "Keys in windows that are open.")()
        self._unavailable = make.counter(
            "fanzgpt_unavailable_total", "Times a server could not be used and was tried again.", "server"
        )
        self._reopened = make.counter(
            "fanzgpt_consumer_reopened_total",
            "Times that a stuck consumer was opened anew.",
        )()
        self._in_flight = make.gauge("fanzgpt_in_flight_requests", "Requests under way.")()
        self._oldest = make.gauge("fanzgpt_oldest_in_flight_seconds", "Age of the oldest request under way.")()
        self._buffered = make.gauge("fanzgpt_buffered_records", "Records in memory that have not started.")()
        self._buffered_bytes = make.gauge("fanzgpt_buffered_bytes", "Bytes of record values held in memory.")()
        self._waiting = make.gauge("fanzgpt_waiting_requests", "Requests that wait, by what for.", "cause")
        self._gap = make.gauge(
            "fanzgpt_commit_gap_records", "Records done above the committed offset.", "topic", "partition"
        )
        self._lag = make.gauge(
            "fanzgpt_consumer_lag_records", "Records behind the end of the log.", "group", "topic", "partition"
        )
        self._lag_seconds = make.gauge(
            "fanzgpt_consumer_lag_seconds", "Age of the oldest record not done.", "group", "topic", "partition"
        )
        self._lag_status = make.gauge(
            "fanzgpt_consumer_lag_status",
            "What to think of it: 0 OK, 1 WARN (late), 2 STALLED (nothing moves), 3 STOPPED (no member).",
            "group",
            "topic",
            "partition",
        )
        self._batched = make.gauge(
            "fanzgpt_half_price_requests",
            "Requests that wait in the half-price lane: gathered for a batch, batched at the provider, or alone, to be "
            "called for by themselves after all.",
            "provider",
            "model",
            "place",
        )
        self._batched_seconds = make.gauge(
            "fanzgpt_half_price_oldest_seconds",
            "How long the first of them has waited.",
            "provider",
            "model",
            "place",
        )
        self._members = make.gauge("fanzgpt_consumer_group_members", "Members of the group.", "group")

    def generation_ended(self, generation_type: str, status: str, seconds: float) -> None:
        """A request reached its one ending. `status`: completed, failed, rejected, expired or cancelled."""
        self._generations(generation_type, status).inc()
        self._durations(generation_type).observe(seconds)

    def provider_called(self, provider: str, outcome: Outcome, seconds: float) -> None:
        """One call came to an end."""
        self._calls(provider, outcome).observe(seconds)

    def tokens_used(self, provider: str, model: str, usage: Usage, usd: float | None) -> None:
        """An attempt was settled; `usd` is None where the price is not known."""
        self._tokens(provider, model).inc(usage.input + usage.output)
        read, written = usage.cache_read or 0, usage.cache_write or 0
        self._prompt_tokens(provider, model, "none").inc(max(0, usage.input - read - written))
        if read:
            self._prompt_tokens(provider, model, "read").inc(read)
        if written:
            self._prompt_tokens(provider, model, "written").inc(written)
        if usd is None:
            self._unpriced(provider, model).inc()
        else:
            self._cost(provider, model).inc(usd)

    def cache_asked(self, result: CacheLookup) -> None:
        """A question that may share an answer was looked up."""
        self._lookups(result).inc()

    def saved(self, provider: str, model: str, usd: float) -> None:
        """An answer was given again that had cost so much."""
        self._saved(provider, model).inc(usd)

    def lost_answer(self, provider: str, found: Literal["fetched", "not-there", "not-said"]) -> None:
        """An answer of unknown outcome was looked for."""
        self._lost_answers(provider, found).inc()

    def over_budget(self, budget: str, *, is_spent: bool) -> None:
        """A call found no room in a budget."""
        self._over_budget(budget, "spent" if is_spent else "held").inc()

    def budget_nearly_spent(self, budget: str) -> None:
        """A budget's use passed the share from which on people are warned."""
        self._nearly_spent(budget).inc()

    def consumed(self, topic: str, records: int = 1) -> None:
        """Records were taken out of Kafka."""
        self._consumed(topic).inc(records)

    def published(self, topic: str, events: int = 1) -> None:
        """Events of one topic were acknowledged."""
        self._published(topic).inc(events)

    def publish_took(self, seconds: float) -> None:
        """One hand-over of events was acknowledged as a whole."""
        self._publish_seconds().observe(seconds)

    def dead_lettered(self, topic: str, reason: str) -> None:
        """A record was set aside."""
        self._dead_letters(topic, reason).inc()

    def rebalanced(self, *, assigned: int = 0, revoked: int = 0) -> None:
        """Partitions came or went."""
        if assigned:
            self._rebalances("assigned").inc(assigned)
        if revoked:
            self._rebalances("revoked").inc(revoked)

    def ledger_flushed(self, statement: LedgerStatement, rows: int, seconds: float) -> None:
        """One ledger statement was answered."""
        self._flush_rows(statement).observe(rows)
        self._flush_seconds(statement).observe(seconds)

    def sink_stored(self, sink: SinkName, *, stored: int, duplicates: int, seconds: float) -> None:
        """One sink transaction was committed."""
        self._sink_rows(sink, "stored").inc(stored)
        self._sink_rows(sink, "duplicate").inc(duplicates)
        self._sink_batch(sink).observe(stored + duplicates)
        self._sink_seconds(sink).observe(seconds)

    def sink_refused(self, sink: SinkName, rows: int = 1) -> None:
        """Rows that PostgreSQL will never take were set aside."""
        self._sink_rows(sink, "refused").inc(rows)

    def stream_applied(self, fate: StreamFate) -> None:
        """The usage streams took an event."""
        self._stream_events(fate).inc()

    def stream_told(self, dimension: str, window: str, windows: int) -> None:
        """Windows were told."""
        self._stream_windows(dimension, window).inc(windows)

    def stream_anomaly(self, dimension: str, measure: str) -> None:
        """A window was far from normal, and that was told."""
        self._stream_anomalies(dimension, measure).inc()

    def stream_kept(self, *, seconds: float, open_keys: int) -> None:
        """The usage streams' changes are kept."""
        self._stream_keeping().observe(seconds)
        self._stream_keys.set(open_keys)

    def unavailable(self, server: Literal["kafka", "postgresql", "redis", "provider"]) -> None:
        """A server could not be used and will be tried again."""
        self._unavailable(server).inc()

    def reopened(self) -> None:
        """A stuck consumer was replaced."""
        self._reopened.inc()

    def engine_state(self, state: EngineState) -> None:
        """Replace what is known of the engine; partitions that are not named are gone."""
        self._in_flight.set(state.in_flight)
        self._oldest.set(state.oldest_seconds)
        self._buffered.set(state.buffered_records)
        self._buffered_bytes.set(state.buffered_bytes)
        self._waiting.clear()
        for cause, number in state.waiting.items():
            self._waiting(cause).set(number)
        self._gap.clear()
        for partition, gap in state.commit_gaps.items():
            self._gap(partition.topic, str(partition.number)).set(gap)

    def consumer_lags(self, lags: Iterable[PartitionLag]) -> None:
        """Replace what is known of the groups' lag; partitions that are not named are gone."""
        self._lag.clear()
        self._lag_seconds.clear()
        self._lag_status.clear()
        for lag in lags:
            labels = (lag.group, lag.partition.topic, str(lag.partition.number))
            self._lag(*labels).set(lag.records)
            self._lag_seconds(*labels).set(lag.seconds)
            self._lag_status(*labels).set(get_args(LagStatus).index(lag.status))

    def batched(self, places: Iterable[Batched]) -> None:
        """Replace what is known of the half-price lane."""
        self._batched.clear()
        self._batched_seconds.clear()
        for each in places:
            labels = (each.provider, each.model, each.place)
            self._batched(*labels).set(each.requests)
            self._batched_seconds(*labels).set(each.oldest_seconds)

    def group_members(self, members: Mapping[str, int]) -> None:
        """Replace what is known of the groups' members."""
        self._members.clear()
        for group, number in members.items():
            self._members(group).set(number)

    def before_scrape(self, callback: Callable[[], None]) -> None:
        """Call `callback` ahead of every scrape, on the event loop: the last one given. It sets states."""
        self._look = callback

    def scrape(self) -> bytes:
        """Everything in Prometheus's text format (CONTENT_TYPE)."""
        if self._look is not None:
            self._look()
        return generate_latest(self.registry)

    def catalogue(self) -> tuple[tuple[str, str, tuple[str, ...], str], ...]:
        """Name, kind, labels and meaning of every metric, for the reference page."""
        return tuple(self._families.made)
