"""One small HTTP server per process: /metrics, /health/live and /health/ready."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.observability.metrics import CONTENT_TYPE, Metrics
from fanzgpt_workers.settings import METRICS_PORTS, ProcessName, ProcessSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found; `detail` is for people and says, where it is not well, what is missing."""

    well: bool
    detail: str


Check = Callable[[], Awaitable[Finding]]


class HealthServer:
    """Serves until it is closed; an async context manager.

    /health/live answers 200 while the event loop turns and every liveness check is well: a failing one asks for a
    restart. /health/ready answers 200 once every readiness check is well: a failing one only asks to wait. Both say
    what each check found. A check that takes longer than `check_seconds` is not well.
    """

    def __init__(
        self, metrics: Metrics, *, host: str, port: int, or_any_port: bool = False, check_seconds: float = 2.0
    ) -> None:
        """`port` 0 takes a free one; `or_any_port` takes a free one where `port` is taken."""
        self._metrics = metrics
        self._host = host
        self._wanted = port
        self._or_any_port = or_any_port
        self._check_seconds = check_seconds
        self._live: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """The port it listens on, 0 before it does."""
        return self._port

    def live_while(self, name: str, check: Check) -> None:
        """Add a liveness check."""
        self._live[name] = check

    def ready_when(self, name: str, check: Check) -> None:
        """Add a readiness check."""
        self._ready[name] = check

    async def start(self) -> None:
        """Listen; raises ConfigurationError where the port is taken or the address is not this machine's."""
        app = web.Application()
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/health/live", self._serve_live)
        app.router.add_get("/health/ready", self._serve_ready)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        try:
            await self._listen(self._runner, self._wanted)
        except OSError as error:
            if not (self._or_any_port and error.errno == errno.EADDRINUSE):
                await self.aclose()
                raise ConfigurationError(
                    f"METRICS_HOST={self._host} METRICS_PORT={self._wanted}: {os.strerror(error.errno or 0)}; "
                    "METRICS_PORT=0 takes a free port"
                ) from error
            await self._listen(self._runner, 0)
        self._port = int(self._runner.addresses[0][1])

    async def aclose(self) -> None:
        """Stop listening; idempotent."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    async def _listen(self, runner: web.AppRunner, port: int) -> None:
        await web.TCPSite(runner, self._host, port).start()

    async def _serve_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.scrape(), headers={"Content-Type": CONTENT_TYPE})

    async def _serve_live(self, _request: web.Request) -> web.Response:
        return await _answer("live", self._live, self._check_seconds)

    async def _serve_ready(self, _request: web.Request) -> web.Response:
        return await _answer("ready", self._ready, self._check_seconds)


def health_server(metrics: Metrics, settings: ProcessSettings, *, process: ProcessName) -> HealthServer:
    """The server of a process: on METRICS_PORT, else on the process's own port or, where that is taken, a free one."""
    own = settings.metrics_port is None
    port = METRICS_PORTS[process] if settings.metrics_port is None else settings.metrics_port
    return HealthServer(metrics, host=settings.metrics_host, port=port, or_any_port=own)


async def _answer(state: str, checks: Mapping[str, Check], seconds: float) -> web.Response:
    findings = dict(
        zip(checks, await asyncio.gather(*(_run(check, seconds) for check in checks.values())), strict=True)
    )
    well = all(finding.well for finding in findings.values())
    body = {
        "status": state if well else f"not {state}",
        "checks": {
            name: {"status": "healthy" if finding.well else "unhealthy", "detail": finding.detail}
            for name, finding in findings.items()
        },
    }
    return web.json_response(body, status=200 if well else 503)


async def _run(check: Check, seconds: float) -> Finding:
    try:
        async with asyncio.timeout(seconds):
            return await check()
    except TimeoutError:
        return Finding(well=False, detail=f"no answer within {seconds:g} s")
    except Exception as error:  # noqa: BLE001  # a check that breaks is a finding, and the answer carries it
        return Finding(well=False, detail=f"{type(error).__name__}: {error}")
