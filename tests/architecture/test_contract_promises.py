"""What other services were promised by name: it changes only with a new version of the event, never in passing."""

import pytest

from fanzgpt_schemas.base import Model
from fanzgpt_schemas.events import REQUESTED_SPEC, SPECS, TOPIC_NAMES
from fanzgpt_schemas.facts import AnalyticsEvent, DeadLetter, PreferencesUpdated
from fanzgpt_schemas.generation import REASONS, CancelRequested, GenerationCompleted, GenerationFailed
from fanzgpt_schemas.inputs import (
    ChatResponseInput,
    ContentCalendarInput,
    ConversationStartersInput,
    ImageAnalysisInput,
    PerformanceAnalysisInput,
    PersonalizedMessageInput,
    SocialPostInput,
    VoiceSynthesisInput,
)
from fanzgpt_schemas.outputs import OUTPUTS
from fanzgpt_schemas.requests import GENERATION_TYPES, ChatResponseRequested, Options

FIELDS: dict[type[Model], str] = {
    ChatResponseRequested: "requestId userId type input options conversationId deadline onUnknown metadata",
    GenerationCompleted: "requestId userId type input output metadata",
    GenerationFailed: "requestId userId type input reason retryable detail metadata",
    CancelRequested: "requestId userId",
    AnalyticsEvent: "userId event data",
    PreferencesUpdated: "userId preferences",
    DeadLetter: "topic partition offset key value headers reason error attempts time",
    Options: "provider model temperature maxTokens",
    SocialPostInput: "topic platform",
    PersonalizedMessageInput: "recipientId context relationship",
    ChatResponseInput: "message history",
    ConversationStartersInput: "context count",
    ContentCalendarInput: "timeframe preferences",
    PerformanceAnalysisInput: "timeframe",
    ImageAnalysisInput: "imageUrl analysisType",
    VoiceSynthesisInput: "text voice",
}
ANSWERS = {
    "social-post": "post",
    "personalized-message": "message",
    "chat-response": "response",
    "conversation-starters": "starters",
    "content-calendar": "calendar",
    "performance-analysis": "analysis",
    "image-analysis": "analysis",
    "voice-synthesis": "audioUrl",
}


def aliases(model: type[Model]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_topics_keep_their_names() -> None:
    assert set(TOPIC_NAMES) == {
        "ai.generation.requested",
        "ai.generation.requested.priority",
        "ai.generation.requested.batch",
        "ai.generation.completed",
        "ai.generation.failed",
        "ai.generation.cancel-requested",
        "ai.analytics.event",
        "ai.preferences.updated",
        "ai.usage.window",
        "ai.usage.anomaly",
        "ai.dead-letter",
    }


def test_events_are_called_after_their_topics() -> None:
    assert {spec.ce_type for spec in (REQUESTED_SPEC, *SPECS.values())} == {
        f"{name}.v1" for name in TOPIC_NAMES if not name.endswith((".priority", ".batch"))
    }


@pytest.mark.parametrize("model", FIELDS, ids=lambda model: model.__name__)
def test_fields_keep_their_names(model: type[Model]) -> None:
    assert aliases(model) >= set(FIELDS[model].split())


@pytest.mark.parametrize("generation_type", GENERATION_TYPES)
def test_each_type_answers_with_its_field(generation_type: str) -> None:
    assert ANSWERS[generation_type] in aliases(OUTPUTS[generation_type])


def test_there_is_an_answer_for_every_type() -> None:
    assert ANSWERS.keys() == OUTPUTS.keys() == set(GENERATION_TYPES)


def test_reasons_keep_their_names() -> None:
    assert set(REASONS) >= {"invalid", "rejected", "expired", "cancelled", "conflict", "provider"}


def test_five_starters_unless_somebody_counts() -> None:
    assert ConversationStartersInput().count == 5
