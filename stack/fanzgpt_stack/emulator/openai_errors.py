"""OpenAI's error bodies: `{"error": {"message", "type", "param", "code"}}`, or a proxy's page for 502 and 504."""

from typing import Final

import orjson

from fanzgpt_stack.emulator.replies import JSON, Reply, whole
from fanzgpt_stack.emulator.vendor import Refusal, Refused

_INVALID: Final = "invalid_request_error"

# By status: message, type and code.
_BY_STATUS: Final[dict[int, tuple[str, str, str | None]]] = {
    400: ("Invalid value for a parameter of the request.", _INVALID, "invalid_value"),
    401: ("Incorrect API key provided. Find your API key in the platform's settings.", _INVALID, "invalid_api_key"),
    403: (
        "Country, region, or territory not supported",
        "request_forbidden",
        "unsupported_country_region_territory",
    ),
    404: ("The model `{model}` does not exist or you do not have access to it.", _INVALID, "model_not_found"),
    408: ("Request timed out.", "timeout", None),
    409: ("The resource was being updated by another request. Please try again.", "conflict_error", None),
    413: ("Maximum content size limit (26214400) exceeded", _INVALID, None),
    429: (
        (
            "Rate limit reached for {model} on tokens per min (TPM): Limit 30000, Used 29876, Requested 620. "
            "Please try again in 992ms."
        ),
        "tokens",
        "rate_limit_exceeded",
    ),
    500: (
        "The server had an error while processing your request. Sorry about that!",
        "server_error",
        None,
    ),
    503: ("The engine is currently overloaded, please try again later", "server_error", "service_unavailable"),
}
# By kind: status, message, type and code.
_BY_KIND: Final[dict[str, tuple[int, str, str, str | None]]] = {
    "insufficient_quota": (
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        "insufficient_quota",
    ),
    "spend_limit": (
        429,
        "You have reached the spend limit that your organization has set.",
        "billing_error",
        "enforced_spend_limit_reached",
    ),
    "context_length": (
        400,
        "This model's maximum context length is 128000 tokens. Please reduce the length of the messages.",
        _INVALID,
        "context_length_exceeded",
    ),
    "content_policy": (
        400,
        "Your request was rejected as a result of our safety system.",
        _INVALID,
        "content_policy_violation",
    ),
}
STREAM_ERROR: Final[dict[str, object]] = {
    "error": {
        "message": "The server had an error while processing your request. Sorry about that!",
        "type": "server_error",
        "param": None,
        "code": None,
    }
}
PROXY_PAGE: Final = (
    "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>"
    "\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)


def refusal(refused: Refused) -> Refusal:
    """The body for a kind of refusal or for a status."""
    status = refused.status or 400
    if refused.kind in _BY_KIND:
        own_status, words, type_, code = _BY_KIND[refused.kind]
        status = refused.status or own_status
    elif status in {502, 504}:
        return proxy_page(status)
    else:
        words, type_, code = _BY_STATUS.get(status, (f"HTTP {status}", "server_error", None))
    message = refused.message or words.format(model=refused.model)
    error = {"message": message, "type": type_, "param": None, "code": code}
    return Refusal(status, orjson.dumps({"error": error}), JSON)


def proxy_page(status: int) -> Refusal:
    """The page of the proxy before a vendor."""
    reason = "Bad gateway" if status == 502 else "Gateway time-out"
    return Refusal(status, PROXY_PAGE.format(status=status, reason=reason).encode(), "text/html; charset=UTF-8")


def invalid(status: int, message: str) -> Reply:
    """The refusal of a request that is no call of a model."""
    error = {"message": message, "type": _INVALID, "param": None, "code": None}
    return whole(status, orjson.dumps({"error": error}))
