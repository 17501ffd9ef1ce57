"""What is answered instead of what was asked for: a status, the contract's `error` and `message`, and what helps."""

from collections.abc import Mapping

from pydantic import JsonValue

from fanzgpt_schemas.base import JsonObject
from fanzgpt_schemas.errors import Violation


class Refusal(Exception):
    """Raised wherever a call cannot be answered as it was meant; becomes its HTTP answer.

    `error` is for programs and never changes; `message` is for people. `more` stands beside the two in the body.
    """

    def __init__(
        self,
        status: int,
        error: str,
        message: str,
        *,
        more: JsonObject | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.error = error
        self.message = message
        self.more = more or {}
        self.headers = dict(headers or {})
        super().__init__(f"{status} {error}: {message}")

    def body(self) -> JsonObject:
        """The JSON object of the answer."""
        return {"error": self.error, "message": self.message, **self.more}


class NoToken(Refusal):
    """Nobody said who is calling."""

    def __init__(self) -> None:
        super().__init__(
            401, "Authentication required", "No token provided", headers={"WWW-Authenticate": 'Bearer realm="fanz-gpt"'}
        )


class BadToken(Refusal):
    """Whoever is calling could not prove it. The answer is the same whatever is wrong: it helps nobody to guess."""

    def __init__(self) -> None:
        super().__init__(
            401,
            "Invalid token",
            "Authentication failed",
            headers={"WWW-Authenticate": 'Bearer realm="fanz-gpt", error="invalid_token"'},
        )


class NoPermission(Refusal):
    """The caller is known, and lacks `ai:use`."""

    def __init__(self) -> None:
        super().__init__(403, "Insufficient permissions", "AI features not enabled for this user")


class ContentViolation(Refusal):
    """A text holds a blocked term."""

    def __init__(self) -> None:
        super().__init__(400, "Content violation", "Content contains blocked terms")


class InvalidRequest(Refusal):
    """The request is wrong: field by field, in the message and, for programs, beside it."""

    def __init__(self, *violations: Violation) -> None:
        told: list[JsonValue] = [{"field": each.field, "reason": each.reason} for each in violations]
        super().__init__(400, "Invalid request", "; ".join(map(str, violations)), more={"violations": told})


class UnknownRequest(Refusal):
    """No request of this user has this id. Another user's request is no different."""

    def __init__(self) -> None:
        super().__init__(404, "Unknown request", "No request of yours has this id")
