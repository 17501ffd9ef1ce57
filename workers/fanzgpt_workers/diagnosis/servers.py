"""What the servers tell: there or not, and as this release needs them."""

import asyncio
from urllib.parse import urlsplit

from fanzgpt_schemas.topics import bundled_topics
from fanzgpt_workers.diagnosis.finding import Finding, note, ok, wrong
from fanzgpt_workers.errors import ConfigurationError, FanzError, Unavailable
from fanzgpt_workers.settings import Settings, masked

_SECONDS = 5.0


async def kafka_findings(settings: Settings) -> list[Finding]:
    """Whether a broker answers, and whether its topics are those of topics.yaml."""
    from fanzgpt_workers.topics.applying import plan_topics  # noqa: PLC0415  # one import less for the other checks
    from fanzgpt_workers.topics.cluster import open_cluster  # noqa: PLC0415  # as above

    servers = settings.kafka.bootstrap_servers
    if not servers:
        return []
    try:
        async with open_cluster(servers, security=settings.kafka_security.security(), deadline=_SECONDS) as cluster:
            brokers = await cluster.brokers()
            findings = [ok("Kafka", f"{servers}: {brokers} broker{'s' if brokers > 1 else ''}")]
            plan = await plan_topics(cluster, bundled_topics())
    except Unavailable as error:
        return [wrong("Kafka", str(error), "start it (`fanzgpt stack up`), or correct KAFKA_BOOTSTRAP_SERVERS")]
    if plan.clean:
        return [*findings, ok("topics", "as topics.yaml wants them")]
    differing = len(plan.steps) + len(plan.refused)
    if plan.steps:
        return [*findings, wrong("topics", f"{differing} differ from topics.yaml", "`fanzgpt topics apply`")]
    return [*findings, note("topics", f"{differing} differ from topics.yaml", "`fanzgpt topics plan` says how")]


async def database_findings(settings: Settings) -> list[Finding]:
    """Whether PostgreSQL answers, and whether it has this release's schema."""
    from fanzgpt_workers.stores.migrate import status  # noqa: PLC0415  # alembic: only for this check

    url = settings.database.url.get_secret_value()
    if not url:
        return []
    try:
        schema = await asyncio.to_thread(status, url)
    except ConfigurationError as error:
        return [wrong("PostgreSQL", str(error), "correct DATABASE_URL")]
    except FanzError as error:
        return [wrong("PostgreSQL", str(error), "start it (`fanzgpt stack up`), or correct DATABASE_URL")]
    reached = ok("PostgreSQL", masked("DATABASE_URL", url))
    if schema.pending:
        return [reached, wrong("schema", f"{len(schema.pending)} steps pending", "`fanzgpt db migrate`")]
    return [reached, ok("schema", f"at {schema.current}")]


async def redis_findings(settings: Settings) -> list[Finding]:
    """Whether Redis answers; nothing is lost without it."""
    if settings.redis.url is None:
        return [note("Redis", "REDIS_URL is not set: limits count per process, nothing is cached")]
    from redis.asyncio import Redis  # noqa: PLC0415  # only for this check
    from redis.exceptions import RedisError  # noqa: PLC0415  # as above

    url = settings.redis.url.get_secret_value()
    shown = masked("REDIS_URL", url)
    client = Redis.from_url(url, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS)
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        return [wrong("Redis", f"{shown}: {error}", "start it (`fanzgpt stack up`), or correct REDIS_URL")]
    finally:
        await client.aclose()
    return [ok("Redis", shown)]


async def provider_findings(settings: Settings) -> list[Finding]:
    """Which providers could be asked. Sends no request: only an address of your own is connected to."""
    providers = settings.providers
    addresses = {"openai": providers.openai_base_url, "anthropic": providers.anthropic_base_url}
    findings = []
    for name, model in providers.reachable.items():
        address = addresses[name]
        standard = " (default)" if name == providers.default_provider else ""
        variable = f"{name.upper()}_BASE_URL"
        if address is None:
            findings.append(ok(name, f"{model}{standard}, with a key"))
        elif reason := await _unreachable(address):
            findings.append(
                wrong(name, f"{address}: {reason}", f"start what should answer there, or correct {variable}")
            )
        else:
            findings.append(ok(name, f"{model}{standard} at {address}"))
    return findings


async def _unreachable(address: str) -> str | None:
    """Why nothing can be connected to there; None where something can."""
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, port)
            writer.close()
            await writer.wait_closed()
    except TimeoutError:
        return f"no answer within {_SECONDS:g} s"
    except OSError as error:
        return error.strerror or str(error)
    return None
