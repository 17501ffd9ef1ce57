"""The application: what a call passes on its way in, from the outside to the endpoints."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from fanzgpt_gateway.asking import Asking
from fanzgpt_gateway.auth.callers import Authenticator
from fanzgpt_gateway.cancelling import Cancelling
from fanzgpt_gateway.health import HealthChecks
from fanzgpt_gateway.ledger import LedgerReader
from fanzgpt_gateway.metrics import Metrics
from fanzgpt_gateway.object_store import MediaStore
from fanzgpt_gateway.settings import Settings
from fanzgpt_gateway.streaming import Streaming
from fanzgpt_gateway.uploading import Uploading
from fanzgpt_gateway.web import PREFIX
from fanzgpt_gateway.web.arrival import HEADER, Arrival
from fanzgpt_gateway.web.body_bounds import BodyBounds
from fanzgpt_gateway.web.calls import calls
from fanzgpt_gateway.web.description import describe
from fanzgpt_gateway.web.door import Door
from fanzgpt_gateway.web.failures import answer_failures
from fanzgpt_gateway.web.generation import generation
from fanzgpt_gateway.web.health import health
from fanzgpt_gateway.web.media import UPLOADS, links, uploads
from fanzgpt_gateway.web.playground import playground
from fanzgpt_gateway.web.requests import requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application is made of."""

    authenticator: Authenticator
    asking: Asking
    streaming: Streaming
    uploading: Uploading
    media: MediaStore | None
    ledger: LedgerReader
    cancelling: Cancelling
    checks: HealthChecks
    metrics: Metrics
    new_id: Callable[[], str]


def application(parts: Parts, settings: Settings) -> FastAPI:
    """The application, ready to be served.

    On its way in a call is given its id, passes CORS and the door, has its body read within bounds, and is routed.
    """
    app = FastAPI(
        title="FANZ GPT gateway",
        version="1",
        description="AI generation for the FANZ ecosystem. Each call is a request on Kafka that is answered once; "
        "where that takes longer than the call waits, the answer is read by the request's id.",
        docs_url=None,
        redoc_url=None,
    )
    call_of = calls(wait_seconds=settings.wait_seconds, trusted_proxies=settings.trusted_proxies)
    app.include_router(generation(parts.asking, parts.streaming, parts.uploading, call_of))
    app.include_router(
        requests(
            ledger=parts.ledger,
            asking=parts.asking,
            streaming=parts.streaming,
            cancelling=parts.cancelling,
            call_of=call_of,
        )
    )
    app.include_router(uploads(parts.uploading, call_of))
    if parts.media is not None and parts.media.is_folder and settings.signing_key is not None:
        app.include_router(links(parts.media, settings.signing_key.get_secret_value().encode()))
    app.include_router(health(parts.checks))
    app.include_router(playground())
    answer_failures(app)
    describe(app)
    # The last one added is the first one passed.
    # In base64, with what stands around it.
    larger = {UPLOADS: settings.image_bytes, f"{PREFIX}/media/analyze-image": settings.image_bytes * 4 // 3 + 65_536}
    app.add_middleware(
        BodyBounds,
        most_bytes=settings.body_bytes,
        seconds=settings.body_seconds,
        larger=larger,
        unparsed=(UPLOADS,),
    )
    app.add_middleware(Door, authenticator=parts.authenticator)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                "Prefer",
                "X-On-Disconnect",
                HEADER,
            ],
            expose_headers=[
                HEADER,
                "Location",
                "Retry-After",
                "RateLimit-Limit",
                "RateLimit-Remaining",
                "RateLimit-Reset",
            ],
            max_age=600,
        )
    app.add_middleware(Arrival, metrics=parts.metrics, clock=time.perf_counter, new_id=parts.new_id)
    return app
