"""The generation worker: consumes requests, asks providers, publishes endings."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.events import BATCH_TOPIC, PRIORITY_TOPIC, REQUESTED_TOPIC
from fanzgpt_workers import budgeting
from fanzgpt_workers.cancellations import hear_cancellations
from fanzgpt_workers.core.costs import Costs
from fanzgpt_workers.core.lanes import Caps
from fanzgpt_workers.core.retry import RetryPolicy
from fanzgpt_workers.core.routing import STAND_IN, Routes
from fanzgpt_workers.crash_points import crash_points
from fanzgpt_workers.engine.book import Room
from fanzgpt_workers.engine.group import Membership, open_consumer, start_consumer, term_of
from fanzgpt_workers.engine.loop import Engine, EngineLimits
from fanzgpt_workers.filtering.filter import TermsFilter
from fanzgpt_workers.half_price import open_half_price
from fanzgpt_workers.lag.causes import Causes
from fanzgpt_workers.lifecycle.answering import Answering, AnswerPolicy
from fanzgpt_workers.lifecycle.batched import BatchedCalls
from fanzgpt_workers.lifecycle.books import Books
from fanzgpt_workers.lifecycle.calling import Caller, CallPolicy
from fanzgpt_workers.lifecycle.cancelling import Wishes
from fanzgpt_workers.lifecycle.door import Door
from fanzgpt_workers.lifecycle.fetching import Fetching
from fanzgpt_workers.lifecycle.intake import GenerationIntake
from fanzgpt_workers.limiting import breakers, open_shared, provider_limits
from fanzgpt_workers.limits.user_windows import Allowances, UserWindows
from fanzgpt_workers.media import kept, objects, own_models, pictures, spoken
from fanzgpt_workers.observability.measured import MeasuredLedger, MeasuredPricing, MeasuredProvider, MeasuredPublisher
from fanzgpt_workers.partials.redis_outlet import RedisOutlet
from fanzgpt_workers.partials.showing import PartialAnswers
from fanzgpt_workers.ports import Clock, Provider
from fanzgpt_workers.prompts.library import PromptLibrary
from fanzgpt_workers.prompts.preview import preview
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.opening import open_providers, open_stored_answers
from fanzgpt_workers.providers.pricing import ListPricing, listed_as
from fanzgpt_workers.publishing.dead_letters import DeadLetters
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.settings import ProviderSettings, Settings, WindowSettings
from fanzgpt_workers.sharing import shared_answers, sharing
from fanzgpt_workers.stand_in import StandIn
from fanzgpt_workers.stores.database import open_database
from fanzgpt_workers.watching import GenerationWatch, waiting_in, watch_engine

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
    points = crash_points(settings.process.crash_at)
    endpoints = _endpoints(ai)
    providers: dict[str, Provider] = {
        STAND_IN: StandIn(),
        **open_providers(
            endpoints,
            transport=ai.transport,
            bounds=Bounds(connections=limits.max_in_flight + 64),
            at_once=[ai.default_provider],
        ),
    }
    stored_answers = {each.name: open_stored_answers(each) for each in endpoints if each.stores_answers}
    store = objects(settings.media, clock.now)
    content_filter = TermsFilter(
        settings.features.blocked_terms,
        file=Path(settings.features.blocked_terms_file) if settings.features.blocked_terms_file else None,
    )
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
        open_shared(settings.redis) as redis,
        open_half_price(
            settings.batches, database, endpoints, clock=clock, points=points, observer=watch
        ) as half_price,
    ):
        ledger = points.ledger(
            budgeting.ledger(
                database,
                settings.budgets,
                takeover_after=DUPLICATE_TAKEOVER_SECONDS,
                nearly_spent=watch.budget_nearly_spent,
            )
        )
        books = Books(MeasuredLedger(ledger, watch.metrics, answered=watch.database_back), away=watch.database_away)
        publication = Publication(
            MeasuredPublisher(points.publisher(publisher), watch.metrics, acknowledged=watch.broker_back),
            away=watch.broker_away,
        )
        limits_of_providers = provider_limits(ai, redis, worker=str(owner), away=watch.redis_away)
        breakers_of_models = breakers(ai, redis, observer=watch)
        answers = shared_answers(settings.cache, redis, worker=str(owner), observer=watch)
        partials = None if redis is None else _partials(redis, content_filter, watch)
        pricing, prompts = price_list(ai), PromptLibrary(today=date.today, speech=spoken(settings.media, store))
        measured_pricing = MeasuredPricing(pricing, watch.metrics)
        purse = budgeting.purse(settings.budgets, ai, pricing=pricing, observer=watch)
        caller = Caller(
            books=books,
            providers={
                name: MeasuredProvider(kept(points.provider(each), settings.media, store, clock.now), watch.metrics)
                for name, each in providers.items()
            },
            prompts=prompts,
            pricing=measured_pricing,
            purse=purse,
            clock=clock,
            new_id=_random_id,
            jitter=random.random,
            policy=_call_policy(ai),
            door=Door(breakers=breakers_of_models, limits=limits_of_providers),
            partials=partials,
            pictures=pictures(settings.media, store),
        )
        wishes, costs = Wishes(clock), Costs()
        answering = Answering(
            books=books,
            caller=sharing(caller, answers, settings.cache, clock=clock),
            publication=publication,
            clock=clock,
            owner=owner,
            policy=AnswerPolicy(
                switched_on=settings.features.switched_on,
                routes=Routes(
                    default_provider=ai.default_provider,
                    models={str(name): model for name, model in ai.reachable.items()},
                    fallbacks=ai.fallbacks,
                    own=own_models(settings.media, ai),
                ),
                on_unknown=ai.on_unknown,
            ),
            observer=watch,
            content_filter=content_filter,
            wishes=wishes,
            costs=costs,
            windows=None if redis is None else _windows(settings.windows, redis, watch),
            lane=half_price.lane(),
            fetching=Fetching(
                stored_answers, books=books, prompts=prompts, pricing=pricing, clock=clock, watcher=watch
            ),
        )
        batched = BatchedCalls(
            answering=answering,
            books=books,
            prompts=prompts,
            pricing=pricing,
            clock=clock,
            policy=_call_policy(ai),
            purse=purse,
        )
        group = kafka.group("generation")
        intake = GenerationIntake(
            answering=answering,
            publication=publication,
            dead_letters=DeadLetters(publication, consumer=group, clock=clock),
            clock=clock,
            observer=watch,
            costs=costs,
            premium_weight=limits.premium_weight,
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
            consumer=points.consumer(consumer),
            topics=TOPICS,
            intake=intake,
            limits=_limits(settings),
            watcher=watch,
            term=partial(term_of, consumer),
            let_go=_all_of(limits_of_providers.let_go, breakers_of_models.let_go, answering.let_go),
        )
        waiting = partial(waiting_in, engine, limits_of_providers, breakers_of_models, answers)
        watch_engine(engine, watch.metrics, waiting)
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
            following = [hearing, breakers_of_models.follow(), content_filter.follow(told=watch.terms_read)]
            following += half_price.parts(batched, wishes)
            if redis is not None and partials is not None:
                causes = Causes(redis, group=group, clock=clock).tell_regularly(
                    str(owner), waiting, away=watch.redis_away
                )
                following += [partials.follow(), causes]
            async with _beside(engine, *following):
                with contextlib.suppress(TimeoutError):  # no reason not to work: they are read as soon as may be
                    await asyncio.wait_for(caught_up.wait(), CATCH_UP_SECONDS)
                yield engine
        finally:
            await books.close()
            await breakers_of_models.close()
            if answers is not None:
                await answers.close()
            for provider in providers.values():
                await provider.aclose()
            for stored in stored_answers.values():
                await stored.aclose()


def _windows(settings: WindowSettings, redis: Redis, watch: GenerationWatch) -> UserWindows | None:
    if not settings.on_topics:
        return None
    allowances = Allowances(seconds=settings.seconds, standard=settings.requests, premium=settings.premium_requests)
    return UserWindows(redis, allowances, away=watch.windows_away)


def _partials(redis: Redis, content_filter: TermsFilter, watch: GenerationWatch) -> PartialAnswers:
    return PartialAnswers(RedisOutlet(redis), preview=preview, content_filter=content_filter, away=watch.partials_away)


def _all_of(*acts: Callable[[], None]) -> Callable[[], None]:
    """One act of several, in order."""

    def act() -> None:
        for each in acts:
            each()

    return act


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
            waiting_in_all=limits.waiting_records,
            uncommitted_per_partition=limits.uncommitted_records,
            waiting_bytes=limits.buffer_bytes,
        ),
        drain_seconds=limits.drain_seconds,
    )


def _call_policy(ai: ProviderSettings) -> CallPolicy:
    return CallPolicy(
        attempt_seconds=ai.attempt_timeout_seconds,
        total_seconds=ai.total_timeout_seconds,
        retry=RetryPolicy(billed_attempts=ai.max_billed_attempts),
        repairs=ai.max_repairs,
        max_tokens=ai.max_tokens,
        temperature=ai.temperature,
    )


def price_list(ai: ProviderSettings) -> ListPricing:
    """The prices that hold for the providers of these settings."""
    return ListPricing(listed_as={e.name: listed for e in _endpoints(ai) if (listed := listed_as(e)) is not None})


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
                stores_answers=ai.openai_store_answers,
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
