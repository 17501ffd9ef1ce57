"""Whatever is raised on the way to an answer, as an answer in the contract's shape."""

import logging

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match, Route

from fanzgpt_gateway.ledger import LedgerUnavailable
from fanzgpt_gateway.refusals import InvalidRequest, Refusal
from fanzgpt_gateway.web.replies import JsonReply, reply_to
from fanzgpt_schemas.errors import ContractError, Violation
from fanzgpt_schemas.violations import shown

log = logging.getLogger(__name__)

_ERRORS = {404: "Not found", 405: "Method not allowed"}


def answer_failures(app: FastAPI) -> None:
    """Register a handler for each."""

    async def refused(_request: Request, error: Exception) -> JsonReply:
        assert isinstance(error, Refusal)  # noqa: S101 - registered for it
        return reply_to(error)

    async def unreadable(_request: Request, error: Exception) -> JsonReply:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
        return reply_to(InvalidRequest(*_violations(error)))

    async def against_contract(_request: Request, error: Exception) -> JsonReply:
        assert isinstance(error, ContractError)  # noqa: S101 - registered for it
        told = tuple(
            Violation(field=each.field.removeprefix("input."), reason=each.reason) for each in error.violations
        )
        return reply_to(InvalidRequest(*told))

    async def unrouted(request: Request, error: Exception) -> JsonReply:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        name = _ERRORS.get(error.status_code, "Request failed")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(_methods_at(app, request)))
        return reply_to(Refusal(error.status_code, name, str(error.detail), headers=headers))

    async def ledger_away(_request: Request, error: Exception) -> JsonReply:
        log.warning("a request could not be read: %s", error)
        message = "Requests cannot be read at the moment; try again"
        return reply_to(Refusal(503, "Service unavailable", message, headers={"Retry-After": "1"}))

    async def broken(_request: Request, error: Exception) -> JsonReply:
        log.error("a call broke", exc_info=error)
        return reply_to(Refusal(500, "Internal error", "This system failed on the call"))

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, unreadable)
    app.add_exception_handler(ContractError, against_contract)
    app.add_exception_handler(HTTPException, unrouted)
    app.add_exception_handler(LedgerUnavailable, ledger_away)
    app.add_exception_handler(Exception, broken)


def _methods_at(app: FastAPI, request: Request) -> set[str]:
    """Every method of the path: a path's methods are routes of their own, and each knows of itself alone."""
    found: set[str] = set()
    for route in app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return found


def _violations(error: RequestValidationError) -> tuple[Violation, ...]:
    reasons: dict[str, list[str]] = {}
    for detail in error.errors():
        where = [str(part) for part in detail["loc"]]
        if detail["type"] == "json_invalid":
            field, reason = "(body)", f"is not JSON: {detail['ctx']['error']}"
        else:
            field = ".".join(where[1:] if where[:1] in (["body"], ["path"], ["query"]) else where) or "(body)"
            extra = detail["type"] == "extra_forbidden"
            reason = "is no field of the contract" if extra else detail["msg"].removeprefix("Value error, ")
        told = reasons.setdefault(shown(field), [])
        if shown(reason) not in told:
            told.append(shown(reason))
    return tuple(Violation(field=field, reason=", or: ".join(told)) for field, told in list(reasons.items())[:20])
