"""Ports that are measured: the same promises as what they wrap, and what passes through them as metrics."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from time import perf_counter
from uuid import UUID

from fanzgpt_schemas.codec import Encoded
from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, Price, Usage
from fanzgpt_workers.core.budgets import OverBudget
from fanzgpt_workers.core.claims import Claim, Verdict
from fanzgpt_workers.core.endings import Ending, SaveVerdict
from fanzgpt_workers.errors import ProviderError
from fanzgpt_workers.observability.metrics import LedgerStatement, Metrics
from fanzgpt_workers.ports import Completion, Ledger, Pricing, Provider, ProviderCall, Publisher


class MeasuredLedger:
    """A ledger whose answered statements are counted and timed; those that fail are not."""

    def __init__(
        self,
        ledger: Ledger,
        metrics: Metrics,
        *,
        answered: Callable[[], None],
        time: Callable[[], float] = perf_counter,
    ) -> None:
        """`answered` is called after each statement; `time` in seconds."""
        self._ledger = ledger
        self._metrics = metrics
        self._answered = answered
        self._time = time

    def _flushed(self, statement: LedgerStatement, rows: int, began: float) -> None:
        self._metrics.ledger_flushed(statement, rows, self._time() - began)
        self._answered()

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Verdict]:
        """See `Ledger`."""
        began = self._time()
        verdicts = await self._ledger.claim(claims)
        self._flushed("claim", len(claims), began)
        return verdicts

    async def start_attempts(self, attempts: Sequence[AttemptStarted]) -> Sequence[bool | OverBudget]:
        """See `Ledger`."""
        began = self._time()
        started = await self._ledger.start_attempts(attempts)
        self._flushed("start-attempts", len(attempts), began)
        return started

    async def settle(self, ended: Sequence[AttemptEnded]) -> None:
        """See `Ledger`."""
        began = self._time()
        await self._ledger.settle(ended)
        self._flushed("settle", len(ended), began)

    async def finish(self, endings: Sequence[Ending]) -> Sequence[SaveVerdict]:
        """See `Ledger`."""
        began = self._time()
        verdicts = await self._ledger.finish(endings)
        self._flushed("finish", len(endings), began)
        return verdicts

    async def mark_published(self, request_keys: Sequence[UUID]) -> None:
        """See `Ledger`."""
        began = self._time()
        await self._ledger.mark_published(request_keys)
        self._flushed("mark-published", len(request_keys), began)


class MeasuredProvider:
    """A provider whose calls are timed by their outcome."""

    def __init__(self, provider: Provider, metrics: Metrics, *, time: Callable[[], float] = perf_counter) -> None:
        """`time` in seconds."""
        self._provider = provider
        self._metrics = metrics
        self._time = time

    @property
    def name(self) -> str:
        """See `Provider`."""
        return self._provider.name

    async def complete(self, call: ProviderCall) -> Completion:
        """See `Provider`."""
        began = self._time()
        try:
            completion = await self._provider.complete(call)
        except ProviderError as error:
            self._metrics.provider_called(self.name, error.outcome, self._time() - began)
            raise
        except asyncio.CancelledError:
            self._metrics.provider_called(self.name, "cancelled", self._time() - began)
            raise
        self._metrics.provider_called(self.name, "ok", self._time() - began)
        return completion

    async def aclose(self) -> None:
        """See `Provider`."""
        await self._provider.aclose()


class MeasuredPricing:
    """Pricing whose every answer is counted as spent: for whoever prices each attempt once, as it is settled."""

    def __init__(self, pricing: Pricing, metrics: Metrics) -> None:
        """Count into these."""
        self._pricing = pricing
        self._metrics = metrics

    def price(self, *, provider: str, model: str, usage: Usage, at: datetime) -> Price:
        """See `Pricing`."""
        price = self._pricing.price(provider=provider, model=model, usage=usage, at=at)
        self._metrics.tokens_used(provider, model, usage, None if price.usd is None else float(price.usd))
        return price


class MeasuredPublisher:
    """A publisher whose acknowledged events are counted and timed."""

    def __init__(
        self,
        publisher: Publisher,
        metrics: Metrics,
        *,
        acknowledged: Callable[[], None],
        time: Callable[[], float] = perf_counter,
    ) -> None:
        """`acknowledged` is called after each publication; `time` in seconds."""
        self._publisher = publisher
        self._acknowledged = acknowledged
        self._metrics = metrics
        self._time = time

    async def publish(self, events: Sequence[Encoded]) -> None:
        """See `Publisher`."""
        began = self._time()
        await self._publisher.publish(events)
        self._metrics.publish_took(self._time() - began)
        self._acknowledged()
        for event in events:
            self._metrics.published(event.topic)
