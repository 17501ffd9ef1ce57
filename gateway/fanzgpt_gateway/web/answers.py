"""What is answered: the contract's answer objects with the request's id and usage beside them, and every other body."""

from typing import Literal

from pydantic import ConfigDict

from fanzgpt_schemas.base import Instant, JsonObject, Model
from fanzgpt_schemas.generation import GenerationCompleted, Reason, TokenUsage
from fanzgpt_schemas.outputs import (
    ChatResponseOutput,
    ContentCalendarOutput,
    ConversationStartersOutput,
    ImageAnalysisOutput,
    PerformanceAnalysisOutput,
    PersonalizedMessageOutput,
    SocialPostOutput,
    VoiceSynthesisOutput,
)


class Usage(Model):
    """What the answer took. Cost in US dollars, latency in ms; what is not known is left out."""

    provider: str | None = None
    model: str | None = None
    tokens: TokenUsage | None = None
    cost_usd: float | None = None
    latency_ms: int | None = None
    cached: bool = False


class Answered(Model):
    """Beside every answer."""

    request_id: str
    usage: Usage


class SocialPostAnswer(Answered, SocialPostOutput):
    """`{post}`."""


class PersonalizedMessageAnswer(Answered, PersonalizedMessageOutput):
    """`{message}`."""


class ChatResponseAnswer(Answered, ChatResponseOutput):
    """`{response}`."""


class ConversationStartersAnswer(Answered, ConversationStartersOutput):
    """`{starters}`."""


class ContentCalendarAnswer(Answered, ContentCalendarOutput):
    """`{calendar}`."""


class PerformanceAnalysisAnswer(Answered, PerformanceAnalysisOutput):
    """`{analysis}`."""


class ImageAnalysisAnswer(Answered, ImageAnalysisOutput):
    """`{analysis}`."""


class VoiceSynthesisAnswer(Answered, VoiceSynthesisOutput):
    """`{audioUrl}`."""


class Accepted(Model):
    """The answer takes longer than the call waits; it will be where the header Location says."""

    request_id: str
    status: Literal["pending"]
    message: str


class Violated(Model):
    """One field and what is wrong with it."""

    field: str
    reason: str


class ErrorBody(Model):
    """Every error: `error` for programs, `message` for people, and what else is known."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"error": "Invalid request", "message": "topic: Field required"}]}
    )

    error: str
    message: str
    request_id: str | None = None
    reason: Reason | None = None
    retryable: bool | None = None
    violations: tuple[Violated, ...] | None = None


class RequestView(Model):
    """A request by its id. `output` once it is completed; `error` and `message` where it ended otherwise."""

    request_id: str
    user_id: str
    status: Literal["pending", "completed", "failed", "rejected", "expired", "cancelled"]
    type: str | None = None
    output: JsonObject | None = None
    usage: Usage | None = None
    error: str | None = None
    message: str | None = None
    reason: Reason | None = None
    retryable: bool | None = None
    created_at: Instant | None = None
    ended_at: Instant | None = None


class CancelAccepted(Model):
    """The wish to cancel was published; the request ends in one way, whichever comes first."""

    request_id: str
    status: Literal["cancel-requested"]


def answer_body(event: GenerationCompleted) -> JsonObject:
    """The body of a completed request: its answer object as it was published, id and usage beside it."""
    return {**event.output, "requestId": event.request_id, "usage": usage_of(event)}


def usage_of(event: GenerationCompleted) -> JsonObject:
    """What the answer took, as its event says."""
    known = event.metadata
    usage = Usage(
        provider=known.provider,
        model=known.model,
        tokens=known.tokens,
        cost_usd=known.cost_usd,
        latency_ms=known.latency_ms,
        cached=known.cached,
    )
    return usage.wire()
