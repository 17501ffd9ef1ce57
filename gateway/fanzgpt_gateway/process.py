"""The process: servers opened, calls taken until SIGTERM, waiting calls answered, and out."""

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import uvloop
from pydantic import SecretStr
from redis.asyncio import Redis

from fanzgpt_gateway.app import Parts, application
from fanzgpt_gateway.asking import Asking, AskingPolicy
from fanzgpt_gateway.auth.callers import Authenticator
from fanzgpt_gateway.auth.keyring import ApiKeyHash, KeyRing
from fanzgpt_gateway.auth.tokens import Tokens
from fanzgpt_gateway.auth.trusted import IssuerSettings
from fanzgpt_gateway.cancelling import SOURCE, Cancelling
from fanzgpt_gateway.configuring import Misconfigured
from fanzgpt_gateway.health import HealthChecks, Service, ping_kafka
from fanzgpt_gateway.ledger import open_ledger
from fanzgpt_gateway.limits.degrading import DegradingWindows
from fanzgpt_gateway.limits.memory_windows import MemoryWindows
from fanzgpt_gateway.limits.redis_windows import RedisWindows, open_redis
from fanzgpt_gateway.limits.windows import Allowance, Windows
from fanzgpt_gateway.logs import open_logs
from fanzgpt_gateway.metrics import Metrics
from fanzgpt_gateway.object_store import MediaStore, StoreUnopened
from fanzgpt_gateway.partials import PartialReader
from fanzgpt_gateway.serving import listen, server
from fanzgpt_gateway.settings import Settings
from fanzgpt_gateway.streaming import Streaming
from fanzgpt_gateway.uploading import Uploading
from fanzgpt_gateway.web.health import supervision
from fanzgpt_producers.client import GenerationClient
from fanzgpt_producers.errors import BrokerUnavailable
from fanzgpt_producers.ids import new_request_id

log = logging.getLogger(__name__)

LEDGER_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0
ANSWERING_SECONDS: Final = 2.0  # for the answers to those who were let go


def run(settings: Settings) -> None:
    """Serve in the foreground until SIGTERM or Ctrl-C; then let waiting calls end within their bound."""
    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    open_logs(settings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics()
    # Both before anything is waited for: a port that is taken is told at once.
    front = listen(settings.host, settings.port, variables="GATEWAY_HOST, PORT")
    back = listen(settings.metrics_host, settings.metrics_port, variables="METRICS_HOST, METRICS_PORT")
    async with AsyncExitStack() as opened:
        opened.callback(front.close)
        opened.callback(back.close)
        client = await _connected(opened, settings, stop)
        if client is None:
            return
        parts = await opened.enter_async_context(_parts(client, settings, metrics))
        watching = server(supervision(metrics, parts.checks, draining=stop.is_set), drain_seconds=1)
        serving = server(application(parts, settings), drain_seconds=settings.drain_seconds + ANSWERING_SECONDS)
        tasks = [
            asyncio.create_task(serving.serve(sockets=[front])),
            asyncio.create_task(watching.serve(sockets=[back])),
        ]
        _announce(settings, port=front.getsockname()[1], metrics_port=back.getsockname()[1])
        await asyncio.wait([asyncio.create_task(stop.wait()), *tasks], return_when=asyncio.FIRST_COMPLETED)
        log.info("draining")
        serving.should_exit = True
        await asyncio.wait(tasks[:1], timeout=settings.drain_seconds)
        await client.aclose()  # whoever still waits is told where the answer will be
        await asyncio.wait(tasks[:1])
        watching.should_exit = True
        await asyncio.gather(*tasks)
    log.info("stopped")


async def _connected(into: AsyncExitStack, settings: Settings, stop: asyncio.Event) -> GenerationClient | None:
    """The client, listening; a broker that is away is told with its address and waited for. None when told to stop."""
    pause, security = FIRST_PAUSE_SECONDS, settings.security()
    while not stop.is_set():
        client = GenerationClient(
            bootstrap_servers=settings.bootstrap_servers,
            source=SOURCE,
            deadline=settings.send_timeout_seconds,
            security=security,
        )
        opening = asyncio.ensure_future(into.enter_async_context(client))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([opening, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not opening.done():
            opening.cancel()
            await asyncio.wait([opening])
            return None
        try:
            return opening.result()
        except BrokerUnavailable as error:
            log.warning("waiting for a server: %s", error)
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except TimeoutError:
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    return None


@asynccontextmanager
async def _parts(client: GenerationClient, settings: Settings, metrics: Metrics) -> AsyncIterator[Parts]:
    """Everything wired."""
    media = _media(settings)
    ledger = await open_ledger(settings.database_url.get_secret_value(), seconds=LEDGER_SECONDS)
    redis = open_redis(settings.redis_url.get_secret_value()) if settings.redis_url else None
    services = [
        Service(
            name="kafka",
            ping=partial(ping_kafka, settings.bootstrap_servers, tls=settings.security().tls),
            without="requests cannot be taken",
            vital=True,
        ),
        Service(name="database", ping=ledger.ping, without="requests cannot be read by id"),
    ]
    if redis is not None:
        services.append(
            Service(name="redis", ping=partial(_ping, redis), without="windows are counted by each replica for itself")
        )
    asking = Asking(client=client, windows=_windows(redis, metrics), policy=_policy(settings), metrics=metrics)
    cancelling, partials = Cancelling(client.publisher, clock=_now), PartialReader(redis)
    try:
        yield Parts(
            authenticator=_authenticator(settings),
            asking=asking,
            streaming=Streaming(
                asking=asking,
                partials=partials,
                ledger=ledger,
                cancelling=cancelling,
                seconds=settings.deadline_seconds,
            ),
            uploading=Uploading(media, most_bytes=settings.image_bytes),
            media=media,
            ledger=ledger,
            cancelling=cancelling,
            checks=HealthChecks(tuple(services), clock=time.monotonic),
            metrics=metrics,
            new_id=new_request_id,
        )
    finally:
        await partials.close()
        await ledger.close()
        if redis is not None:
            await redis.aclose()


def _media(settings: Settings) -> MediaStore | None:
    try:
        return MediaStore(settings.object_store_url) if settings.object_store_url else None
    except StoreUnopened as error:
        raise Misconfigured((str(error),)) from error


def _authenticator(settings: Settings) -> Authenticator:
    keys, issuers = list(settings.api_keys), list(settings.jwt_issuers)
    if settings.api_key is not None:
        keys.append(ApiKeyHash.of("default", settings.api_key.get_secret_value()))
    if settings.jwt_secret is not None:
        own = IssuerSettings(
            issuer=settings.jwt_issuer,
            algorithm="HS256",
            key=SecretStr(settings.jwt_secret.get_secret_value()),
            audience=settings.jwt_audience,
        )
        issuers.append(own)
    return Authenticator(KeyRing(keys), Tokens(issuers, leeway_seconds=settings.jwt_leeway_seconds))


def _windows(redis: Redis | None, metrics: Metrics) -> Windows:
    own = MemoryWindows(clock=time.monotonic)
    metrics.windows_alone(redis is None)
    if redis is None:
        return own
    return DegradingWindows(RedisWindows(redis), own, clock=time.monotonic, degraded=metrics.windows_alone)


def _policy(settings: Settings) -> AskingPolicy:
    return AskingPolicy(
        standard=Allowance(requests=settings.window_requests, seconds=settings.window_seconds),
        premium=Allowance(requests=settings.window_premium_requests, seconds=settings.window_seconds),
        max_waiting=settings.max_waiting,
        deadline_seconds=settings.deadline_seconds,
    )


def _announce(settings: Settings, *, port: int, metrics_port: int) -> None:
    """Say that calls are taken; the file appears whole or not at all."""
    if settings.ready_file is not None:
        target = Path(settings.ready_file)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        told = {"pid": os.getpid(), "port": port, "metricsPort": metrics_port}
        draft.write_text(json.dumps(told) + "\n", encoding="utf-8")
        draft.replace(target)
    log.info("ready", extra={"port": port, "metrics_port": metrics_port})


async def _ping(redis: Redis) -> None:
    await redis.ping()


def _now() -> datetime:
    return datetime.now(UTC)
