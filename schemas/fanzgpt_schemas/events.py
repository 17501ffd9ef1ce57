"""Which events exist, what each is called in CloudEvents, and the topic each travels on."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from fanzgpt_schemas.base import Model
from fanzgpt_schemas.facts import AnalyticsEvent, DeadLetter, PreferencesUpdated
from fanzgpt_schemas.generation import CancelRequested, GenerationCompleted, GenerationFailed
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_schemas.usage import UsageAnomaly, UsageWindow

TopicName = Literal[
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
]
TOPIC_NAMES: Final[tuple[TopicName, ...]] = get_args(TopicName)

REQUESTED_TOPIC: Final[TopicName] = "ai.generation.requested"
PRIORITY_TOPIC: Final[TopicName] = "ai.generation.requested.priority"
BATCH_TOPIC: Final[TopicName] = "ai.generation.requested.batch"
COMPLETED_TOPIC: Final[TopicName] = "ai.generation.completed"
FAILED_TOPIC: Final[TopicName] = "ai.generation.failed"
CANCEL_TOPIC: Final[TopicName] = "ai.generation.cancel-requested"
ANALYTICS_TOPIC: Final[TopicName] = "ai.analytics.event"
PREFERENCES_TOPIC: Final[TopicName] = "ai.preferences.updated"
USAGE_WINDOW_TOPIC: Final[TopicName] = "ai.usage.window"
USAGE_ANOMALY_TOPIC: Final[TopicName] = "ai.usage.anomaly"
DEAD_LETTER_TOPIC: Final[TopicName] = "ai.dead-letter"

# The longest value each topic takes, in bytes. A completion holds its request's input and an answer beside it; a dead
# letter holds any record of any topic in base64. What a topic's broker accepts (topics.yaml) is a little more.
_REQUEST_LIMIT: Final = 1_000_000
_ENDING_LIMIT: Final = 2_000_000
_LETTER_LIMIT: Final = 4_000_000
VALUE_LIMITS: Final[dict[TopicName, int]] = {
    REQUESTED_TOPIC: _REQUEST_LIMIT,
    PRIORITY_TOPIC: _REQUEST_LIMIT,
    BATCH_TOPIC: _REQUEST_LIMIT,
    COMPLETED_TOPIC: _ENDING_LIMIT,
    FAILED_TOPIC: _ENDING_LIMIT,
    CANCEL_TOPIC: _REQUEST_LIMIT,
    ANALYTICS_TOPIC: _REQUEST_LIMIT,
    PREFERENCES_TOPIC: _REQUEST_LIMIT,
    USAGE_WINDOW_TOPIC: _REQUEST_LIMIT,
    USAGE_ANOMALY_TOPIC: _REQUEST_LIMIT,
    DEAD_LETTER_TOPIC: _LETTER_LIMIT,
}

Event = (
    GenerationRequested
    | GenerationCompleted
    | GenerationFailed
    | CancelRequested
    | AnalyticsEvent
    | PreferencesUpdated
    | UsageWindow
    | UsageAnomaly
    | DeadLetter
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSpec:
    """`name` with `version` is the CloudEvents type: `ai.generation.completed.v1`."""

    name: str
    version: int
    topic: TopicName

    @property
    def ce_type(self) -> str:
        """The CloudEvents `type` attribute."""
        return f"{self.name}.v{self.version}"


SPECS: Final[dict[type[Model], EventSpec]] = {
    GenerationCompleted: EventSpec(name="ai.generation.completed", version=1, topic=COMPLETED_TOPIC),
    GenerationFailed: EventSpec(name="ai.generation.failed", version=1, topic=FAILED_TOPIC),
    CancelRequested: EventSpec(name="ai.generation.cancel-requested", version=1, topic=CANCEL_TOPIC),
    AnalyticsEvent: EventSpec(name="ai.analytics.event", version=1, topic=ANALYTICS_TOPIC),
    PreferencesUpdated: EventSpec(name="ai.preferences.updated", version=1, topic=PREFERENCES_TOPIC),
    UsageWindow: EventSpec(name="ai.usage.window", version=1, topic=USAGE_WINDOW_TOPIC),
    UsageAnomaly: EventSpec(name="ai.usage.anomaly", version=1, topic=USAGE_ANOMALY_TOPIC),
    DeadLetter: EventSpec(name="ai.dead-letter", version=1, topic=DEAD_LETTER_TOPIC),
}
REQUESTED_SPEC: Final = EventSpec(name="ai.generation.requested", version=1, topic=REQUESTED_TOPIC)


def spec_of(event: Event) -> EventSpec:
    """The spec of an event; requests of every type share one."""
    return SPECS.get(type(event), REQUESTED_SPEC)
