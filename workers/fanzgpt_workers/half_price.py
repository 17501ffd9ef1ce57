"""The half-price lane, wired from the settings. Without providers nothing goes in, and what is in it comes out."""

from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

from fanzgpt_schemas.events import BATCH_TOPIC
from fanzgpt_workers.batches.collector import Collector, CollectorObserver, Pace
from fanzgpt_workers.batches.lane import BatchLane
from fanzgpt_workers.batches.ports import BatchApi
from fanzgpt_workers.core.half_price import BatchPolicy
from fanzgpt_workers.crash_points import Points
from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.lifecycle.batched import BatchedCalls
from fanzgpt_workers.lifecycle.cancelling import Wishes
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.providers.endpoint import Endpoint
from fanzgpt_workers.providers.opening import open_batch_api
from fanzgpt_workers.settings import BatchSettings
from fanzgpt_workers.stores.database import Database
from fanzgpt_workers.stores.postgres_batches import PostgresBatches


class Observer(CollectorObserver, Protocol):
    """Told what happens in the lane."""

    def database_away(self, error: Exception) -> None:
        """PostgreSQL does not answer."""
        ...


class BatchApis(Mapping[str, BatchApi]):
    """The batches of every provider that is set up, by its name; a client is opened when it is first asked for."""

    def __init__(self, endpoints: Sequence[Endpoint], points: Points) -> None:
        """Nothing is opened yet."""
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self._points = points
        self._opened: dict[str, BatchApi] = {}

    def __getitem__(self, name: str) -> BatchApi:
        """The provider's, opened; raises KeyError for one that is not set up."""
        if name not in self._opened:
            self._opened[name] = self._points.batch_api(open_batch_api(self._endpoints[name]))
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._endpoints)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._endpoints)

    async def aclose(self) -> None:
        """Close what was opened."""
        for api in self._opened.values():
            await api.aclose()


class HalfPrice:
    """What the generation worker adds where requests may wait for a batch.

    Providers that are no longer among the settings' get no new batches: what waits for one is called for by itself,
    and what one has under way is watched to its end.
    """

    def __init__(
        self,
        settings: BatchSettings,
        database: Database,
        apis: Mapping[str, BatchApi],
        *,
        clock: Clock,
        points: Points,
        observer: Observer,
    ) -> None:
        """Wire up; see `open_half_price`."""
        self._apis = apis
        self._store = points.batch_store(PostgresBatches(database))
        self._policy = BatchPolicy(
            topic=BATCH_TOPIC,
            providers=frozenset(settings.providers),
            far=None if settings.far_seconds is None else timedelta(seconds=settings.far_seconds),
            least=timedelta(seconds=settings.least_seconds),
            lead=timedelta(seconds=settings.lead_seconds),
            age=timedelta(seconds=settings.age_seconds),
            most_calls=settings.most_calls,
            most_bytes=settings.most_bytes,
        )
        self._pace = Pace(poll=settings.poll_seconds, lease=settings.lease_seconds)
        self._clock = clock
        self._observer = observer

    def lane(self) -> BatchLane:
        """The way in."""
        return BatchLane(self._store, self._policy, clock=self._clock, away=self._observer.database_away)

    def parts(self, calls: BatchedCalls, wishes: Wishes) -> list[Coroutine[None, None, None]]:
        """What is to run beside the engine: whoever gathers, watches and ends."""
        collector = Collector(
            store=self._store,
            apis=self._apis,
            calls=calls,
            wishes=wishes,
            clock=self._clock,
            policy=self._policy,
            pace=self._pace,
            observer=self._observer,
        )
        return [collector.run()]


@asynccontextmanager
async def open_half_price(
    settings: BatchSettings,
    database: Database,
    endpoints: Sequence[Endpoint],
    *,
    clock: Clock,
    points: Points,
    observer: Observer,
) -> AsyncIterator[HalfPrice]:
    """The lane for the block, with the providers' clients; raises ConfigurationError for one that is not set up."""
    apis = BatchApis(endpoints, points)
    missing = [name for name in settings.providers if name not in apis]
    if missing:
        raise ConfigurationError(f"BATCH_PROVIDERS: {', '.join(missing)} is not set up; it needs its API key")
    for name in settings.providers:
        apis[name]  # opened before the first request, and not during one
    try:
        yield HalfPrice(settings, database, apis, clock=clock, points=points, observer=observer)
    finally:
        await apis.aclose()
