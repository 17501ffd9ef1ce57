"""The endings of a generation, completed or failed, and the wish to cancel one."""

from typing import Final, Literal, get_args

from pydantic import ConfigDict, JsonValue

from fanzgpt_schemas.base import Count, JsonObject, Model, RequestId, UserId
from fanzgpt_schemas.requests import GenerationType

Reason = Literal[
    "invalid",  # the request breaks the contract
    "rejected",  # a switch, filter or budget says no
    "expired",  # the deadline passed first
    "cancelled",  # somebody asked for it
    "conflict",  # the id was used before, with other content
    "provider",  # every provider that may be asked refused or failed
    "output",  # the provider answered, but not with what was asked for
    "internal",  # our own code failed on it; an operator finds the record in the dead-letter topic
    "unknown-outcome",  # a call's outcome was lost and the policy is `fail`
]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)


class TokenUsage(Model):
    """What the provider counted, in tokens. `input` includes cached tokens, as `genai-prices` expects."""

    input: Count = 0
    output: Count = 0
    cache_read: Count | None = None
    cache_write: Count | None = None
    reasoning: Count | None = None


class GenerationMetadata(Model):
    """How an ending came about; what is not known is left out, never zero. Cost in US dollars, latency in ms.

    Open: whoever publishes an ending may say more.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    provider: str | None = None
    model: str | None = None
    prompt_version: str | None = None
    tokens: TokenUsage | None = None
    cost_usd: float | None = None
    price_version: str | None = None
    latency_ms: Count | None = None
    cached: bool = False
    finish_reason: str | None = None
    attempts: Count | None = None


class GenerationCompleted(Model):
    """The answer. `output` is the answer object of the REST table, for example `{"post": "..."}`."""

    request_id: RequestId
    user_id: UserId
    type: GenerationType
    input: JsonObject
    output: JsonObject
    metadata: GenerationMetadata = GenerationMetadata()


class GenerationFailed(Model):
    """The other ending: why there is no answer, in words, and whether asking again could help."""

    request_id: RequestId
    user_id: UserId
    type: str
    input: JsonObject
    reason: Reason
    retryable: bool
    detail: str
    metadata: GenerationMetadata = GenerationMetadata()


class CancelRequested(Model):
    """A wish to end a request early; the request ends in one terminal event, whichever comes first."""

    request_id: RequestId
    user_id: UserId
