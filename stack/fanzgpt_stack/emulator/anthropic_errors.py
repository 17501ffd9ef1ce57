"""Anthropic's error bodies: `{"type": "error", "error": {"type", "message"}, "request_id"}`, or a proxy's page."""

from typing import Final

import orjson

from fanzgpt_stack.emulator.openai_errors import proxy_page
from fanzgpt_stack.emulator.replies import JSON
from fanzgpt_stack.emulator.vendor import Refusal, Refused

# By status: type and message.
_BY_STATUS: Final[dict[int, tuple[str, str]]] = {
    400: ("invalid_request_error", "messages: at least one message is required"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "There is an issue with your billing or payment information."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "model: {model}"),
    408: ("timeout_error", "Request timed out."),
    409: ("conflict_error", "The resource is being updated by another request."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit. Please try again later."),
    500: ("api_error", "Internal server error"),
    503: ("api_error", "Service unavailable"),
    529: ("overloaded_error", "Overloaded"),
}
# By kind: status, type and message.
_BY_KIND: Final[dict[str, tuple[int, str, str]]] = {
    "insufficient_quota": (
        400,
        "invalid_request_error",
        (
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
            "purchase credits."
        ),
    ),
    "spend_limit": (
        400,
        "invalid_request_error",
        "You have reached your specified API usage limits. You will regain access on the first of next month.",
    ),
    "context_length": (400, "invalid_request_error", "prompt is too long: 214000 tokens > 200000 maximum"),
    "content_policy": (400, "invalid_request_error", "Output blocked by content filtering policy"),
}


def refusal(refused: Refused) -> Refusal:
    """The body for a kind of refusal or for a status."""
    status = refused.status or 400
    if refused.kind in _BY_KIND:
        own_status, type_, words = _BY_KIND[refused.kind]
        status = refused.status or own_status
    elif status in {502, 504}:
        return proxy_page(status)
    else:
        type_, words = _BY_STATUS.get(status, ("api_error", f"HTTP {status}"))
    document = error_document(type_, refused.message or words.format(model=refused.model), exchange_id(refused.number))
    return Refusal(status, orjson.dumps(document), JSON)


def exchange_id(number: int) -> str:
    """The vendor's id of the exchange of this number."""
    return f"req_emu{number:012}"


def error_document(type_: str, message: str, exchange: str | None) -> dict[str, object]:
    """The body of an error."""
    document: dict[str, object] = {"type": "error", "error": {"type": type_, "message": message}}
    if exchange is not None:
        document["request_id"] = exchange
    return document
