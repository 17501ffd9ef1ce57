"""The events of an ending, from what is known at the end. Pure: ids and bytes depend on the arguments alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from pydantic import JsonValue

from fanzgpt_schemas.base import JsonObject
from fanzgpt_schemas.codec import Encoded, encode
from fanzgpt_schemas.events import Event
from fanzgpt_schemas.facts import AnalyticsEvent, PreferencesUpdated
from fanzgpt_schemas.generation import (
    GenerationCompleted,
    GenerationFailed,
    GenerationMetadata,
    Reason,
    TokenUsage,
)
from fanzgpt_schemas.identity import event_id
from fanzgpt_schemas.requests import ContentCalendarRequested, GenerationRequested
from fanzgpt_workers.core.attempts import Price, Usage
from fanzgpt_workers.core.routing import STAND_IN
from fanzgpt_workers.lifecycle.request import LiveRequest

SOURCE: Final = "fanzgpt/generation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the request went: what metadata and analytics report.

    `cached_from` is the request whose call gave the answer where this one made none, `saved_usd` what that call cost.
    """

    attempts: int
    latency_ms: int
    provider: str | None = None
    model: str | None = None
    prompt_version: str | None = None
    usage: Usage | None = None
    price: Price | None = None
    finish_reason: str | None = None
    cached_from: str | None = None
    saved_usd: Decimal | None = None

    def metadata(self) -> GenerationMetadata:
        """The metadata object of completed and failed events."""
        if self.cached_from is not None:
            return self._shared(self.cached_from)
        return GenerationMetadata(
            provider=self.provider,
            model=self.model,
            prompt_version=self.prompt_version,
            tokens=_tokens(self.usage),
            cost_usd=None if self.price is None or self.price.usd is None else float(self.price.usd),
            price_version=self.price.version if self.price else None,
            latency_ms=self.latency_ms,
            finish_reason=self.finish_reason,
            attempts=self.attempts,
            **self._more(),
        )

    def _more(self) -> JsonObject:
        """What only some answers have: that no model made them, how many characters were spoken."""
        more: JsonObject = {"standIn": True} if self.provider == STAND_IN else {}
        if self.usage is not None and self.usage.characters is not None:
            more["characters"] = self.usage.characters
        return more

    def _shared(self, cached_from: str) -> GenerationMetadata:
        """An answer that cost nothing here: no tokens of its own, whose it was, and what it would have cost."""
        told = {
            "provider": self.provider,
            "model": self.model,
            "prompt_version": self.prompt_version,
            "cost_usd": 0.0,
            "latency_ms": self.latency_ms,
            "cached": True,
            "finish_reason": self.finish_reason,
            "attempts": self.attempts,
            "cachedFrom": cached_from,
        }
        if self.saved_usd is not None:
            told["savedUsd"] = float(self.saved_usd)
        return GenerationMetadata.model_validate(told)


def completed(request: LiveRequest, output: Mapping[str, JsonValue], course: Course, *, at: datetime) -> list[Encoded]:
    """The answer, its analytics, and the preferences that the request stated."""
    event = request.event
    metadata = course.metadata()
    answer = GenerationCompleted(
        request_id=event.request_id,
        user_id=event.user_id,
        type=event.type,
        input=_input(event),
        output=dict(output),
        metadata=metadata,
    )
    events = [
        _encode(request, "completed", answer, at),
        _encode(request, "analytics", _analytics(event, "generation-completed", metadata, {}), at),
    ]
    preferences = stated_preferences(event)
    if preferences:
        updated = PreferencesUpdated(user_id=event.user_id, preferences=preferences, version=request.stated_at_ms)
        events.append(_encode(request, "preferences", updated, at))
    return events


def failed(
    request: LiveRequest, reason: Reason, detail: str, *, retryable: bool, course: Course, at: datetime
) -> list[Encoded]:
    """The other ending, and its analytics."""
    event = request.event
    metadata = course.metadata()
    failure = _failure(event, reason, detail, retryable=retryable, metadata=metadata)
    analytics = _analytics(event, "generation-failed", metadata, {"reason": reason})
    return [_encode(request, "failed", failure, at), _encode(request, "analytics", analytics, at)]


def conflicting(request: LiveRequest, *, at: datetime) -> list[Encoded]:
    """Tells the sender that the id was used before; no ending of the earlier request, so the id is its own.

    `metadata.fingerprint` names the content that was refused, so that whoever waits for the first request's answer
    is not misled.
    """
    digest = request.fingerprint.hex()
    failure = _failure(
        request.event,
        "conflict",
        "this request id was used before with other content; send the new content under a new id",
        retryable=False,
        metadata=GenerationMetadata.model_validate({"fingerprint": digest}),
    )
    return [_encode(request, f"conflict:{digest}", failure, at)]


def stated_preferences(event: GenerationRequested) -> JsonObject:
    """Preferences that a request states, in its options or, for calendars, in its input; the options win."""
    from_input = event.input.preferences if isinstance(event, ContentCalendarRequested) else {}
    return {**from_input, **(event.options.preferences or {})}


def _failure(
    event: GenerationRequested, reason: Reason, detail: str, *, retryable: bool, metadata: GenerationMetadata
) -> GenerationFailed:
    return GenerationFailed(
        request_id=event.request_id,
        user_id=event.user_id,
        type=event.type,
        input=_input(event),
        reason=reason,
        retryable=retryable,
        detail=detail,
        metadata=metadata,
    )


def _analytics(event: GenerationRequested, name: str, metadata: GenerationMetadata, more: JsonObject) -> AnalyticsEvent:
    data: JsonObject = {"requestId": event.request_id, "type": event.type, **metadata.wire(), **more}
    return AnalyticsEvent(user_id=event.user_id, event=name, data=data)


def _encode(request: LiveRequest, kind: str, event: Event, at: datetime) -> Encoded:
    identity: UUID = event_id(request.key, kind)
    return encode(event, event_id=identity, time=at, source=SOURCE, traceparent=request.traceparent)


def _input(event: GenerationRequested) -> JsonObject:
    wire: JsonObject = event.input.wire()
    return wire


def _tokens(usage: Usage | None) -> TokenUsage | None:
    if usage is None or usage.characters is not None:
        return None
    return TokenUsage(
        input=usage.input,
        output=usage.output,
        cache_read=usage.cache_read,
        cache_write=usage.cache_write,
        reasoning=usage.reasoning,
    )
