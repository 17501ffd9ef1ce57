"""What the engine, the lifecycle and the sinks tell, as metrics and log lines."""

from collections.abc import Callable, Mapping

from aiokafka.errors import KafkaError
from structlog.typing import FilteringBoundLogger

from fanzgpt_schemas.errors import ContractError
from fanzgpt_workers.core.attempts import PastAttempt
from fanzgpt_workers.core.budgets import kind_of
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.engine.loop import Engine
from fanzgpt_workers.errors import ConfigurationError, Fenced, ProviderError
from fanzgpt_workers.lifecycle.events import Course
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.observability.metrics import CacheLookup, EngineState, Metrics, SinkName, WaitCause
from fanzgpt_workers.observability.standing import Standing
from fanzgpt_workers.ports import Answers, Breakers, Limits
from fanzgpt_workers.records import Record


class GenerationWatch:
    """The generation worker's eyes: every protocol that its parts report to."""

    def __init__(self, metrics: Metrics, log: FilteringBoundLogger, standing: Standing) -> None:
        """Report to these."""
        self.metrics = metrics
        self._standing = standing
        self._log = log

    def ended(self, request: LiveRequest, status: str, course: Course) -> None:
        """An ending was saved by this worker."""
        self.metrics.generation_ended(request.event.type, status, course.latency_ms / 1000)
        if course.saved_usd is not None and course.provider is not None and course.model is not None:
            self.metrics.saved(course.provider, course.model, float(course.saved_usd))
        self._log.debug("ended", request_id=request.event.request_id, status=status)

    def found(self, request: LiveRequest, what: str) -> None:
        """The ledger knew the request."""
        self._log.info("found", request_id=request.event.request_id, what=what)

    def fetched(self, request: LiveRequest, attempt: PastAttempt) -> None:
        """A lost answer was found at its provider."""
        self.metrics.lost_answer(attempt.provider, "fetched")
        self._log.info("lost answer fetched", request_id=request.event.request_id, attempt_id=str(attempt.attempt_id))

    def not_fetched(self, request: LiveRequest, attempt: PastAttempt, error: ProviderError | None) -> None:
        """It was not."""
        self.metrics.lost_answer(attempt.provider, "not-there" if error is None else "not-said")
        self._log.warning(
            "lost answer not fetched",
            request_id=request.event.request_id,
            attempt_id=str(attempt.attempt_id),
            error=None if error is None else error.detail,
        )

    def refused(self, record: Record, error: ContractError) -> None:
        """A record breaks the contract."""
        self.metrics.dead_lettered(record.origin.topic, "invalid")
        self._log.warning("dead-lettered", record=str(record.origin), reason="invalid", error=str(error))

    def broke(self, record: Record, error: Exception) -> None:
        """Our own code failed on a record."""
        self.metrics.dead_lettered(record.origin.topic, "internal-error")
        self._log.error("dead-lettered", record=str(record.origin), reason="internal-error", exc_info=error)

    def consumed(self, topic: str, records: int) -> None:
        """Records were taken out of Kafka."""
        self.metrics.consumed(topic, records)

    def rebalanced(self, *, assigned: int, revoked: int) -> None:
        """Partitions came or went."""
        self.metrics.rebalanced(assigned=assigned, revoked=revoked)
        self._log.info("rebalanced", assigned=assigned, revoked=revoked)

    def drained(self, *, left_running: int) -> None:
        """A drain ended."""
        self._log.info("drained", left_running=left_running)

    def commit_refused(self, error: KafkaError) -> None:
        """The group did not take a commit."""
        self._log.warning("commit refused", error=str(error))

    def wish_refused(self, record: Record, error: ContractError) -> None:
        """A cancellation breaks the contract; it stays on its topic, where it was found."""
        self._log.warning("cancellation not understood", record=str(record.origin), error=str(error))

    def terms_read(self, outcome: int | ConfigurationError) -> None:
        """The file of blocked terms has changed."""
        if isinstance(outcome, int):
            self._log.info("blocked terms read", terms=outcome)
        else:
            self._log.error("blocked terms left as they were", error=str(outcome))

    def redis_away(self, error: Exception) -> None:
        """Limits are kept by each worker alone, and breakers too."""
        self.metrics.unavailable("redis")
        self._log.warning("keeping to this worker's share of the provider's limits", error=str(error))

    def over_budget(self, kind: str, *, is_spent: bool) -> None:
        """A call found no room in a budget."""
        self.metrics.over_budget(kind, is_spent=is_spent)

    def budget_nearly_spent(self, scope: str) -> None:
        """A budget's use has passed the share from which on people are warned; the scope may name a user."""
        self.metrics.budget_nearly_spent(kind_of(scope))
        self._log.warning("budget nearly spent", budget=scope)

    def windows_away(self, error: Exception) -> None:
        """Nobody's requests are counted."""
        self.metrics.unavailable("redis")
        self._log.warning("users' requests are not counted", error=str(error))

    def asked(self, how: CacheLookup) -> None:
        """A question that may share an answer was looked up."""
        self.metrics.cache_asked(how)

    def cache_away(self, error: Exception) -> None:
        """Nothing is found in the cache, and nothing kept."""
        self.metrics.unavailable("redis")
        self._log.warning("answering without the cache", error=str(error))

    def partials_away(self, error: Exception) -> None:
        """Answers are made as ever, and not shown while they are made."""
        self.metrics.unavailable("redis")
        self._log.warning("answers are not shown while they are made", error=str(error))

    def batch_handed_over(self, target: Target, batch_id: str, *, calls: int, found: bool) -> None:
        """See `CollectorObserver`."""
        self._log.info("batch handed over", target=str(target), batch_id=batch_id, calls=calls, found=found)

    def batch_over(self, target: Target, batch_id: str) -> None:
        """See `CollectorObserver`."""
        self._log.info("batch over", target=str(target), batch_id=batch_id)

    def batch_trouble(self, error: Exception) -> None:
        """See `CollectorObserver`."""
        self._log.warning("a batch waits", error=f"{type(error).__name__}: {error}", exc_info=error)

    def breaker_opened(self, target: Target) -> None:
        """A model is down: nobody calls it but to ask whether it is back."""
        self._log.warning("breaker opened", target=str(target))

    def breaker_closed(self, target: Target) -> None:
        """It answers again."""
        self._log.info("breaker closed", target=str(target))

    def database_back(self) -> None:
        """PostgreSQL has answered."""
        self._standing.back("postgresql")

    def database_away(self, error: Exception) -> None:
        """The ledger waits for PostgreSQL."""
        self.metrics.unavailable("postgresql")
        self._standing.away("postgresql", error)
        self._log.warning("waiting for PostgreSQL", error=str(error))

    def broker_back(self) -> None:
        """Kafka has acknowledged."""
        self._standing.back("kafka")

    def broker_away(self, error: Exception) -> None:
        """Publishing waits for Kafka."""
        self.metrics.unavailable("kafka")
        self._standing.away("kafka", error)
        self._log.warning("waiting for Kafka", error=str(error))


def waiting_in(engine: Engine, limits: Limits, breakers: Breakers, answers: Answers | None) -> Mapping[WaitCause, int]:
    """Requests that wait in this process, by what for."""
    placed = engine.waiting_for()
    return {
        "lane": placed["lane"],
        "user": placed["user"],
        "process": placed["process"],
        "provider-limit": limits.waiting,
        "breaker": breakers.waiting,
        "same-question": 0 if answers is None else answers.waiting,
    }


def watch_engine(engine: Engine, metrics: Metrics, waiting: Callable[[], Mapping[WaitCause, int]]) -> None:
    """Look at the engine ahead of every scrape."""

    def look() -> None:
        book = engine.book
        metrics.engine_state(
            EngineState(
                in_flight=engine.running,
                oldest_seconds=engine.oldest_seconds,
                buffered_records=engine.waiting,
                buffered_bytes=book.waiting_bytes,
                waiting=waiting(),
                commit_gaps={partition: book.gap(partition) for partition in book.partitions()},
            )
        )

    metrics.before_scrape(look)


class SinkWatch:
    """A sink's eyes."""

    def __init__(self, name: SinkName, metrics: Metrics, log: FilteringBoundLogger, standing: Standing) -> None:
        """Report to these."""
        self._name: SinkName = name
        self.metrics = metrics
        self._standing = standing
        self._log = log

    def stored(self, *, rows: int, new: int, seconds: float) -> None:
        """A transaction was committed."""
        self._standing.back("postgresql")
        self.metrics.sink_stored(self._name, stored=new, duplicates=rows - new, seconds=seconds)

    def refused(self, record: Record, reason: str) -> None:
        """A record went to the dead-letter topic."""
        self.metrics.dead_lettered(record.origin.topic, reason)
        self.metrics.sink_refused(self._name)
        self._log.warning("dead-lettered", record=str(record.origin), reason=reason)

    def away(self, error: Exception) -> None:
        """A server is away; the batch is kept."""
        self.metrics.unavailable("postgresql")
        self._standing.away("postgresql", error)
        self._log.warning("waiting for PostgreSQL", error=str(error))

    def broker_back(self) -> None:
        """Kafka has acknowledged."""
        self._standing.back("kafka")

    def broker_away(self, error: Exception) -> None:
        """Publishing dead letters waits for Kafka."""
        self.metrics.unavailable("kafka")
        self._standing.away("kafka", error)
        self._log.warning("waiting for Kafka", error=str(error))

    def fenced(self, error: Fenced) -> None:
        """Another member has advanced a partition of ours."""
        self._log.warning("fenced", error=str(error))

    def consumed(self, topic: str, records: int) -> None:
        """Records were taken out of Kafka."""
        self.metrics.consumed(topic, records)

    def rebalanced(self, *, assigned: int, revoked: int) -> None:
        """Partitions came or went."""
        self.metrics.rebalanced(assigned=assigned, revoked=revoked)
        self._log.info("rebalanced", assigned=assigned, revoked=revoked)
