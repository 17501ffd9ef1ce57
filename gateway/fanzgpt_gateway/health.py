"""Whether the servers behind the gateway answer, asked at most once a second however often somebody wants to know."""

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final, Literal

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 2.0
FRESH_SECONDS: Final = 1.0
_API_VERSIONS: Final = struct.pack(">hhih", 18, 0, 1, -1)
"""Kafka's first question, in the form that every broker answers: which versions of which questions it knows."""

Ping = Callable[[], Awaitable[None]]
Overall = Literal["healthy", "degraded", "unhealthy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A server behind, how to ask whether it answers, and what fails while it does not."""

    name: str
    ping: Ping
    without: str
    vital: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`services` by name: None where it answers, else what fails without it."""

    status: Overall
    services: Mapping[str, str | None]


class HealthChecks:
    """Asks all servers at once, each in its time; callers at the same moment share one look."""

    def __init__(self, services: tuple[Service, ...], *, clock: Callable[[], float]) -> None:
        """`clock` gives seconds, from whenever."""
        self._services = services
        self._clock = clock
        self._look: asyncio.Task[Health] | None = None
        self._looked_at = float("-inf")

    async def health(self) -> Health:
        """How the servers are, at most a second ago."""
        if self._look is None or (self._look.done() and self._clock() - self._looked_at > FRESH_SECONDS):
            self._looked_at = self._clock()
            self._look = asyncio.create_task(self._ask())
        return await asyncio.shield(self._look)

    async def _ask(self) -> Health:
        answers = await asyncio.gather(*(_answers(service) for service in self._services))
        found = dict(zip(self._services, answers, strict=True))
        status: Overall = "healthy"
        if not all(answers):
            status = "unhealthy" if any(each.vital and not well for each, well in found.items()) else "degraded"
        return Health(
            status=status, services={each.name: None if well else each.without for each, well in found.items()}
        )


async def ping_kafka(bootstrap_servers: str, *, tls: SSLContext | None = None) -> None:
    """Return where any of the brokers answers; raises the last one's OSError where none does."""
    last: Exception = OSError("no broker is named")
    for server in bootstrap_servers.split(","):
        host, _, port = server.rpartition(":")
        try:
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=tls)
        except OSError as error:
            last = error
            continue
        try:
            writer.write(struct.pack(">i", len(_API_VERSIONS)) + _API_VERSIONS)
            await reader.readexactly(8)
        except (OSError, asyncio.IncompleteReadError) as error:
            last = error
        else:
            return
        finally:
            writer.close()
    raise last


async def _answers(service: Service) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await service.ping()
    except Exception as error:  # noqa: BLE001 - whatever it raises, it does not answer
        # The reason is for our logs: callers need not know where our servers are.
        log.warning("%s does not answer: %s: %s", service.name, type(error).__name__, error)
        return False
    return True
