"""Events of every class, as hypothesis makes them: whatever the contract allows."""

from base64 import b64encode
from datetime import UTC, datetime, timezone
from typing import Any, Final, TypeVar

from hypothesis import strategies as st

from fanzgpt_schemas.base import LARGEST_INTEGER, Model
from fanzgpt_schemas.events import Event
from fanzgpt_schemas.facts import AnalyticsEvent, DeadLetter, PreferencesUpdated
from fanzgpt_schemas.generation import (
    REASONS,
    CancelRequested,
    GenerationCompleted,
    GenerationFailed,
    GenerationMetadata,
    TokenUsage,
)
from fanzgpt_schemas.inputs import (
    ChatResponseInput,
    ChatTurn,
    ContentCalendarInput,
    ConversationStartersInput,
    ImageAnalysisInput,
    PerformanceAnalysisInput,
    PersonalizedMessageInput,
    SocialPostInput,
    VoiceSynthesisInput,
)
from fanzgpt_schemas.requests import (
    GENERATION_TYPES,
    ChatResponseRequested,
    ContentCalendarRequested,
    ConversationStartersRequested,
    GenerationRequested,
    ImageAnalysisRequested,
    Options,
    PerformanceAnalysisRequested,
    PersonalizedMessageRequested,
    SocialPostRequested,
    VoiceSynthesisRequested,
)
from fanzgpt_schemas.usage import LatencySketch, UsageAnomaly, UsageWindow

M = TypeVar("M", bound=Model)
STORABLE: Final = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def text(longest: int, shortest: int = 1) -> st.SearchStrategy[str]:
    return st.text(STORABLE, min_size=shortest, max_size=min(longest, 40))


def made(model: type[M], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[M]:
    """Not `st.builds`: it would add every field once more under its alias."""
    return st.fixed_dictionaries(fields).map(lambda given: model(**given))


labels = text(200)
counts = st.integers(0, LARGEST_INTEGER)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text(100, 0)
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text(20, 0), inner, max_size=3), max_leaves=6
)
json_objects = st.dictionaries(text(20, 0), json_values, max_size=4)
extras = st.dictionaries(
    st.sampled_from(["tone", "language", "ß", "x-y"]), json_values.filter(lambda v: v is not None), max_size=2
)
times = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9000, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC) | st.sampled_from([timezone.min, timezone.max]),
)
optional_labels = st.none() | labels

options = st.builds(
    lambda named, more: Options.model_validate({**named, **more}),
    st.fixed_dictionaries(
        {},
        optional={
            "provider": labels,
            "model": labels,
            "temperature": st.floats(0, 2),
            "maxTokens": st.integers(1, 200_000),
            "preferences": json_objects,
        },
    ),
    extras,
)
common = {
    "request_id": text(128),
    "user_id": text(256),
    "options": options,
    "conversation_id": optional_labels,
    "deadline": st.none() | times,
    "on_unknown": st.sampled_from([None, "retry", "fail"]),
    "metadata": st.none() | json_objects,
}
turns = made(ChatTurn, role=st.sampled_from(["user", "assistant", "system"]), content=labels)
contexts = labels | json_objects
requests: st.SearchStrategy[GenerationRequested] = st.one_of(
    made(SocialPostRequested, **common, input=made(SocialPostInput, topic=labels, platform=labels)),
    made(
        PersonalizedMessageRequested,
        **common,
        input=made(PersonalizedMessageInput, recipient_id=labels, context=contexts, relationship=labels),
    ),
    made(
        ChatResponseRequested,
        **common,
        input=made(ChatResponseInput, message=labels, history=st.lists(turns, max_size=3).map(tuple)),
    ),
    made(
        ConversationStartersRequested,
        **common,
        input=made(ConversationStartersInput, context=st.none() | contexts, count=st.integers(1, 20)),
    ),
    made(
        ContentCalendarRequested,
        **common,
        input=made(ContentCalendarInput, timeframe=labels, preferences=json_objects),
    ),
    made(
        PerformanceAnalysisRequested,
        **common,
        input=made(PerformanceAnalysisInput, timeframe=labels, figures=st.none() | json_objects),
    ),
    made(
        ImageAnalysisRequested,
        **common,
        input=made(
            ImageAnalysisInput,
            image_url=st.from_regex(r"[hH]ttps?://[a-z0-9.]{1,20}(/[!-~é]{0,20})?", fullmatch=True),
            analysis_type=labels,
        ),
    ),
    made(
        VoiceSynthesisRequested,
        **common,
        input=made(VoiceSynthesisInput, text=labels, voice=labels, format=optional_labels),
    ),
)

metadata = st.builds(
    lambda named, more: GenerationMetadata.model_validate({**named, **more}),
    st.fixed_dictionaries(
        {},
        optional={
            "provider": labels,
            "promptVersion": labels,
            "tokens": made(TokenUsage, input=counts, output=counts, cache_read=st.none() | counts),
            "costUsd": st.floats(0, 1_000),
            "latencyMs": counts,
            "cached": st.booleans(),
            "attempts": counts,
        },
    ),
    extras,
)
completions = made(
    GenerationCompleted,
    request_id=text(128),
    user_id=text(256),
    type=st.sampled_from(GENERATION_TYPES),
    input=json_objects,
    output=json_objects,
    metadata=metadata,
)
failures = made(
    GenerationFailed,
    request_id=text(128),
    user_id=text(256),
    type=text(50),
    input=json_objects,
    reason=st.sampled_from(REASONS),
    retryable=st.booleans(),
    detail=text(200, 0),
    metadata=metadata,
)
cancellations = made(CancelRequested, request_id=text(128), user_id=text(256))
analytics = made(AnalyticsEvent, user_id=text(256), event=text(50), data=json_objects)
preferences = made(PreferencesUpdated, user_id=text(256), preferences=json_objects, version=st.none() | counts)
windows_of = st.sampled_from(["user", "type", "provider", "model"])
usage_windows = made(
    UsageWindow,
    dimension=windows_of,
    key=text(512),
    window=st.sampled_from(["tumbling", "hopping"]),
    start=times,
    end=times,
    **dict.fromkeys(("shard", "requests", "failed", "cached", "input_tokens", "output_tokens"), counts),
    cost_usd=st.from_regex(r"\A[0-9]{1,15}(\.[0-9]{1,12})?\Z"),
    p50_ms=st.none() | counts,
    latency=made(
        LatencySketch,
        gamma=st.floats(1.001, 2),
        buckets=st.lists(st.tuples(st.integers(-1, 100_000), counts), max_size=5).map(tuple),
    ),
)
usage_anomalies = made(
    UsageAnomaly,
    dimension=windows_of,
    key=text(512),
    measure=st.sampled_from(["spend", "errors"]),
    start=times,
    end=times,
    shard=counts,
    measured=st.floats(0, 1e6),
    normal=st.floats(-1e6, 1e6),
    score=st.floats(-1e6, 1e6),
    windows=counts,
)
base64 = st.binary(max_size=20).map(lambda raw: b64encode(raw).decode())
dead_letters = made(
    DeadLetter,
    topic=text(249),
    partition=counts,
    offset=counts,
    key=st.none() | base64,
    value=st.none() | base64,
    value_bytes=st.none() | counts,
    headers=st.lists(st.tuples(text(20, 0), base64), max_size=3).map(tuple),
    reason=labels,
    error=text(200, 0),
    attempts=counts,
    time=times,
    consumer=optional_labels,
)
facts: st.SearchStrategy[Event] = st.one_of(
    completions, failures, cancellations, analytics, preferences, usage_windows, usage_anomalies, dead_letters
)
events: st.SearchStrategy[Event] = requests | facts
