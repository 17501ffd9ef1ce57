"""What an ending other than the answer means over HTTP: one table."""

import re
from dataclasses import dataclass
from typing import Final

from fanzgpt_gateway.refusals import ContentViolation, Refusal
from fanzgpt_schemas.base import JsonObject
from fanzgpt_schemas.generation import GenerationFailed, Reason

BLOCKED: Final = "blocked terms"
"""How a rejection says that the content filter made it."""

TOO_MANY: Final = "Too many requests"
"""How a rejection says that its user's window is full."""

_SWITCH: Final = re.compile(r"\bFEATURE_[A-Z_]+\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Status and error of a reason. `message` where the event's own words are not for callers."""

    status: int
    error: str
    message: str | None = None


OUTCOMES: Final[dict[Reason, Outcome]] = {
    "invalid": Outcome(status=400, error="Invalid request"),
    "rejected": Outcome(status=422, error="Request rejected"),
    "expired": Outcome(
        status=504, error="Request expired", message="No answer could be made before the request's deadline"
    ),
    "cancelled": Outcome(status=409, error="Request cancelled", message="The request was cancelled"),
    "conflict": Outcome(
        status=422,
        error="Request id conflict",
        message="This request id was used before with other content; send the new content under a new id",
    ),
    "provider": Outcome(
        status=502, error="Provider failed", message="The AI provider refused or failed; nothing was generated"
    ),
    "output": Outcome(
        status=502, error="Unusable answer", message="The AI provider answered, but not with what was asked for"
    ),
    "internal": Outcome(status=500, error="Internal error", message="This system failed on the request; it was kept"),
    "unknown-outcome": Outcome(
        status=502,
        error="Outcome unknown",
        message="A call for this request was lost half way and may have been billed; it was not repeated",
    ),
}


def refusal_of(failed: GenerationFailed) -> Refusal:
    """The HTTP answer to a request that ended without one."""
    if failed.reason == "rejected":
        if BLOCKED in failed.detail.lower():
            return ContentViolation()
        if failed.detail.startswith(TOO_MANY):
            return Refusal(429, TOO_MANY, failed.detail, more=_told(failed))
        switch = _SWITCH.search(failed.detail)
        if switch is not None:
            message = f"{failed.type} is switched off: {switch[0]} is not true"
            return Refusal(403, "Feature disabled", message, more=_told(failed))
    outcome = OUTCOMES[failed.reason]
    return Refusal(outcome.status, outcome.error, outcome.message or failed.detail, more=_told(failed))


def _told(failed: GenerationFailed) -> JsonObject:
    return {"requestId": failed.request_id, "reason": failed.reason, "retryable": failed.retryable}
