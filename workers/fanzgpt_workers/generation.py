"""The generation worker: consumes requests, asks providers, publishes endings."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.events import BATCH_TOPIC, PRIORITY_TOPIC, REQUESTED_TOPIC
from fanzgpt_workers.cancellations import hear_cancellations
from fanzgpt_workers.core.lanes import Caps
from fanzgpt_workers.core.retry import RetryPolicy
from fanzgpt_workers.core.routing import Routes
from fanzgpt_workers.engine.book import Room
from fanzgpt_workers.engine.group import Membership, open_consumer, start_consumer
from fanzgpt_workers.engine.loop import Engine, EngineLimits
from fanzgpt_workers.filtering.filter import TermsFilter
from fanzgpt_workers.lifecycle.answering import Answering, AnswerPolicy
from fanzgpt_workers.lifecycle.books import Books
from fanzgpt_workers.lifecycle.calling import Caller, CallPolicy
from fanzgpt_workers.lifecycle.cancelling import Wishes
from fanzgpt_workers.lifecycle.intake import GenerationIntake
from fanzgpt_workers.limits.minute import Limit, MemoryMinute, Minute
from fanzgpt_workers.limits.provider_limits import ProviderLimits
from fanzgpt_workers.limits.redis_minute import RedisMinute, open_redis
from fanzgpt_workers.observability.measured import MeasuredLedger, MeasuredProvider, MeasuredPublisher
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.prompts.library import PromptLibrary
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.opening import open_providers
from fanzgpt_workers.providers.pricing import ListPricing, listed_as
from fanzgpt_workers.publishing.dead_letters import DeadLetters
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.settings import ProviderSettings, Settings
from fanzgpt_workers.stores.database import open_database
from fanzgpt_workers.stores.postgres_ledger import PostgresLedger
from fanzgpt_workers.watching import GenerationWatch, watch_engine

TOPICS: Final = (PRIORITY_TOPIC, REQUESTED_TOPIC, BATCH_TOPIC)
WEIGHTS: Final[Mapping[str, int]] = {PRIORITY_TOPIC: 8, REQUESTED_TOPIC: 4, BATCH_TOPIC: 1}
"""Of a worker's starts, where all three topics have work: whoever waits in front of a screen first, nobody never."""
DUPLICATE_TAKEOVER_SECONDS: Final = 600.0
CATCH_UP_SECONDS: Final = 10.0


@asynccontextmanager
async def open_generation(
    settings: Settings, *, clock: Clock, owner: UUID, watch: GenerationWatch
) -> AsyncIterator[Engine]:
    """The wired engine, its consumer connected; `owner` names this run in the ledger. Raises Unavailable at start."""
    kafka, limits, ai = settings.kafka, settings.generation, settings.providers
    security = settings.kafka_security.security()
    endpoints = _endpoints(ai)
    providers = open_providers(
        endpoints,
        transport=ai.transport,
        bounds=Bounds(connections=limits.max_in_flight + 64),
        at_once=[ai.default_provider],
    )
    content_filter = TermsFilter(
        settings.features.blocked_terms,
        file=Path(settings.features.blocked_terms_file) if settings.features.blocked_terms_file else None,
    )
    known = {e.name: listed for e in endpoints if (listed := listed_as(e)) is not None}
    async with (
        await open_database(
            settings.database.url.get_secret_value(),
            size=settings.database.pool_size,
            deadline=settings.database.statement_timeout_seconds,
            application="fanzgpt-generation",
        ) as database,
        KafkaPublisher(
            kafka.bootstrap_servers,
            deadline=kafka.send_timeout_seconds,
            client_id="fanzgpt-generation",
            security=security,
        ) as publisher,
    ):
        ledger = PostgresLedger(database, takeover_after=DUPLICATE_TAKEOVER_SECONDS)
        books = Books(MeasuredLedger(ledger, watch.metrics, answered=watch.database_back), away=watch.database_away)
        publication = Publication(
            MeasuredPublisher(publisher, watch.metrics, acknowledged=watch.broker_back), away=watch.broker_away
        )
        redis = open_redis(settings.redis.url.get_secret_value()) if settings.redis.url else None
        limits_of_providers = _provider_limits(ai, redis, worker=str(owner), away=watch.redis_away)
        caller = Caller(
            books=books,
            providers={name: MeasuredProvider(each, watch.metrics) for name, each in providers.items()},
            prompts=PromptLibrary(today=date.today),
            pricing=ListPricing(listed_as=known),
            clock=clock,
            new_id=_random_id,
            jitter=random.random,
            policy=_call_policy(ai),
            limits=limits_of_providers,
        )
        wishes = Wishes(clock)
        answering = Answering(
            books=books,
            caller=caller,
            publication=publication,
            clock=clock,
            owner=owner,
            policy=AnswerPolicy(
                switched_on=settings.features.switched_on,
                routes=Routes(
                    default_provider=ai.default_provider,
                    models={str(name): model for name, model in ai.reachable.items()},
                ),
                on_unknown=ai.on_unknown,
            ),
            observer=watch,
            content_filter=content_filter,
            wishes=wishes,
        )
        group = kafka.group("generation")
        intake = GenerationIntake(
            answering=answering,
            publication=publication,
            dead_letters=DeadLetters(publication, consumer=group, clock=clock),
            clock=clock,
            observer=watch,
        )
        consumer = open_consumer(
            Membership(
                bootstrap_servers=kafka.bootstrap_servers,
                security=security,
                group_id=group,
                client_id="fanzgpt-generation",
                drain_seconds=limits.drain_seconds,
                instance_id=kafka.group_instance_id,
                session_timeout_seconds=kafka.session_timeout_seconds,
            )
        )
        await start_consumer(consumer, kafka.bootstrap_servers)
        engine = Engine(
            consumer=consumer,
            topics=TOPICS,
            intake=intake,
            limits=_limits(settings),
            watcher=watch,
            let_go=limits_of_providers.let_go,
        )
        watch_engine(engine, watch.metrics, limits_of_providers)
        hearing = hear_cancellations(
            wishes,
            bootstrap_servers=kafka.bootstrap_servers,
            security=security,
            clock=clock,
            away=watch.broker_away,
            refused=watch.wish_refused,
            caught_up=(caught_up := asyncio.Event()),
        )
        try:
            async with _beside(engine, hearing, content_filter.follow(told=watch.terms_read)):
                with contextlib.suppress(TimeoutError):  # no reason not to work: they are read as soon as may be
                    await asyncio.wait_for(caught_up.wait(), CATCH_UP_SECONDS)
                yield engine
        finally:
            await books.close()
            if redis is not None:
                await redis.aclose()
            for provider in providers.values():
                await provider.aclose()


@asynccontextmanager
async def _beside(engine: Engine, *parts: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """The parts run beside the engine for the block; one that breaks ends the engine."""

    async def run(part: Coroutine[None, None, None]) -> None:
        try:
            await part
        except Exception as error:  # noqa: BLE001  # routed: the engine's `run` raises it after the drain
            engine.fail(error)

    running = [asyncio.create_task(run(part)) for part in parts]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _limits(settings: Settings) -> EngineLimits:
    limits = settings.generation
    return EngineLimits(
        caps=Caps(in_flight=limits.max_in_flight, per_user=limits.user_max_in_flight, weights=WEIGHTS),
        room=Room(
            waiting_per_partition=limits.buffer_records,
            uncommitted_per_partition=limits.uncommitted_records,
            waiting_bytes=limits.buffer_bytes,
        ),
        drain_seconds=limits.drain_seconds,
    )


def _provider_limits(
    ai: ProviderSettings, redis: Redis | None, *, worker: str, away: Callable[[Exception], None]
) -> ProviderLimits:
    """Limits for providers at their makers' addresses, and at any other where the settings state them."""
    limit = Limit(requests=ai.requests_per_minute, tokens=ai.tokens_per_minute)
    stated = bool({"requests_per_minute", "tokens_per_minute"} & ai.model_fields_set)
    own_address = {"openai": ai.openai_base_url, "anthropic": ai.anthropic_base_url}

    def shared(provider: str, model: str) -> Minute:
        return own() if redis is None else RedisMinute(redis, provider=provider, model=model, worker=worker)

    def own() -> Minute:
        return MemoryMinute(now_ms=_now_ms)

    limited = {str(name): limit for name in ai.reachable if stated or own_address[name] is None}
    return ProviderLimits(limited, shared=shared, own=own, away=away)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _call_policy(ai: ProviderSettings) -> CallPolicy:
    return CallPolicy(
        attempt_seconds=ai.attempt_timeout_seconds,
        total_seconds=ai.total_timeout_seconds,
        retry=RetryPolicy(billed_attempts=ai.max_billed_attempts),
        repairs=ai.max_repairs,
        max_tokens=ai.max_tokens,
        temperature=ai.temperature,
    )


def _endpoints(ai: ProviderSettings) -> list[Endpoint]:
    endpoints = []
    if "openai" in ai.reachable:
        key = ai.openai_api_key.get_secret_value() if ai.openai_api_key else None
        endpoints.append(
            Endpoint(
                name="openai",
                protocol="chat-completions",
                base_url=ai.openai_base_url,
                api_key=key,
                priced_as=ai.openai_priced_as,
            )
        )
    if "anthropic" in ai.reachable:
        key = ai.anthropic_api_key.get_secret_value() if ai.anthropic_api_key else None
        endpoints.append(
            Endpoint(
                name="anthropic",
                protocol="messages",
                base_url=ai.anthropic_base_url,
                api_key=key,
                priced_as=ai.anthropic_priced_as,
            )
        )
    return endpoints


def _random_id() -> UUID:
    return UUID(int=random.getrandbits(128), version=4)
