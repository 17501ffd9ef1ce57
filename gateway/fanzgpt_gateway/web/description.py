"""The OpenAPI document: what FastAPI knows of the routes, and what it cannot know of the door before them."""

from typing import Any, Final

from fastapi import FastAPI

from fanzgpt_gateway.web import PREFIX
from fanzgpt_gateway.web.arrival import HEADER

_ID: Final = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]{1,128}$"}
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    HEADER: {
        "description": "The request's id, unless Idempotency-Key is given: the same id with the same content is the "
        "same request, however often it is sent. Said again in every answer.",
        "schema": _ID,
        "example": "1764000000000-k3j9x2m1q",
    },
    "Idempotency-Key": {"description": "The request's id.", "schema": _ID},
    "Prefer": {
        "description": "`wait=N`: wait N seconds at most. `respond-async`: do not wait.",
        "schema": {"type": "string"},
        "example": "wait=5",
    },
}
_WATCHING: Final[list[dict[str, Any]]] = [
    {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "description": "With `Accept: text/event-stream`: the last event that was seen; what came after it is shown.",
        "schema": {"type": "string"},
    },
    {
        "name": "onDisconnect",
        "in": "query",
        "required": False,
        "description": "With `Accept: text/event-stream`: what becomes of the request when its watcher leaves. "
        "X-On-Disconnect says the same as a header.",
        "schema": {"enum": ["continue", "cancel"], "default": "continue"},
    },
]
_ANY: Final = {"$ref": "#/components/schemas/JsonValue"}
_STORABLE: Final = "^[^\\u0000]*$"
_PARTS: Final[list[dict[str, Any]]] = [
    {"type": "null"},
    {"type": "boolean"},
    {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    {"type": "number", "not": {"type": "integer"}},
    {"type": "string", "pattern": _STORABLE},
    {"type": "object", "propertyNames": {"pattern": _STORABLE}, "additionalProperties": _ANY},
]
_JSON_VALUE: Final[dict[str, Any]] = {
    "description": "Any JSON that can be stored: no U+0000 in texts and names, whole numbers within 64 bits.",
    # Lists of lists are any, though the same holds there: TypeScript has no name for a list of its own kind.
    "anyOf": [*_PARTS, {"type": "array", "items": {"anyOf": [*_PARTS, {"type": "array"}]}}],
}
_SECURITY: Final = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": "A service's key."},
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A user's token with `userId`, `permissions` (holding `ai:use`), `exp` and, optionally, "
        "`subscription`.",
    },
}


def describe(app: FastAPI) -> None:
    """Let the application's document tell of keys, tokens, ids and headers."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generated())
        return generated()

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation extends the document


def _complete(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = _SECURITY
    document["components"]["schemas"]["JsonValue"] = _JSON_VALUE
    links = _links(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            # FastAPI's own shape of a wrong body is never sent: ours stands under 400.
            if "HTTPValidationError" in str(operation["responses"].get("422", "")):
                del operation["responses"]["422"]
            if not path.startswith("/api/"):
                continue
            operation["security"] = [{"apiKey": []}, {"token": []}]
            names = _HEADERS if method == "post" and "202" in operation["responses"] else (HEADER,)
            operation.setdefault("parameters", []).extend(
                {"name": name, "in": "header", "required": False, **_HEADERS[name]} for name in names
            )
            if method == "post" and "202" in operation["responses"]:  # what is asked, and not what is only kept
                for status in ("200", "202"):
                    operation["responses"][status]["links"] = links
            if method == "get" or ("202" in operation["responses"] and method != "delete"):
                operation["parameters"].extend(_WATCHING)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


def _links(document: dict[str, Any]) -> dict[str, Any]:
    """From an answer to its request: where it is read, and where it is cancelled."""
    at_request = document["paths"][f"{PREFIX}/requests/{{request_id}}"]
    return {
        name: {
            "operationId": at_request[method]["operationId"],
            "parameters": {"path.request_id": "$response.body#/requestId"},
            "description": text,
        }
        for name, method, text in (
            ("read", "get", "The request by its id"),
            ("cancel", "delete", "Ends the request early, where it has not ended"),
        )
    }
