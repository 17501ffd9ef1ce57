"""GET /health for callers, and what a supervisor asks on the process's own port."""

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fanzgpt_gateway.health import HealthChecks
from fanzgpt_gateway.metrics import CONTENT_TYPE, Metrics
from fanzgpt_gateway.web.replies import JsonReply
from fanzgpt_schemas.base import Model


class ServiceHealth(Model):
    """One server behind; `details` says what fails while it does not answer."""

    status: Literal["healthy", "unhealthy"]
    details: str | None = None


class HealthBody(Model):
    """`degraded`: calls are answered, with something missing. `unhealthy`: they are not."""

    status: Literal["healthy", "degraded", "unhealthy"]
    services: dict[str, ServiceHealth]


def health(checks: HealthChecks) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["health"])

    @router.get("/health", response_model=HealthBody, responses={503: {"model": HealthBody}})
    async def read_health() -> JsonReply:
        """How the gateway and each server behind it are; asks for no token."""
        found = await checks.health()
        body = HealthBody(
            status=found.status,
            services={
                name: ServiceHealth(status="healthy" if lacking is None else "unhealthy", details=lacking)
                for name, lacking in found.services.items()
            },
        )
        return JsonReply(body.wire(), 503 if found.status == "unhealthy" else 200)

    return router


def supervision(metrics: Metrics, checks: HealthChecks, *, draining: Callable[[], bool]) -> Starlette:
    """/metrics, /health/live and /health/ready, as every process of the system serves them."""

    async def scrape(_request: Request) -> Response:
        return Response(metrics.scrape(), headers={"Content-Type": CONTENT_TYPE})

    async def live(_request: Request) -> Response:
        return JsonReply({"status": "live", "checks": {}})

    async def ready(_request: Request) -> Response:
        found = await checks.health()
        told = {
            name: {"status": "healthy" if lacking is None else "unhealthy", "detail": lacking or "answers"}
            for name, lacking in found.services.items()
        }
        well = found.status != "unhealthy" and not draining()
        return JsonReply({"status": "ready" if well else "not ready", "checks": told}, 200 if well else 503)

    return Starlette(routes=[Route("/metrics", scrape), Route("/health/live", live), Route("/health/ready", ready)])
