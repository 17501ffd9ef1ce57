"""Which events exist, what each is called in CloudEvents, and the topic each travels on."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from fanzgpt_schemas.base import Model
from fanzgpt_schemas.facts import AnalyticsEvent, DeadLetter, PreferencesUpdated
from fanzgpt_schemas.generation import CancelRequested, GenerationCompleted, GenerationFailed
from fanzgpt_schemas.requests import GenerationRequested

TopicName = Literal[
    "ai.generation.requested",
    "ai.generation.requested.priority",
    "ai.generation.requested.batch",
    "ai.generation.completed",
    "ai.generation.failed",
    "ai.generation.cancel-requested",
    "ai.analytics.event",
    "ai.preferences.updated",
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
DEAD_LETTER_TOPIC: Final[TopicName] = "ai.dead-letter"

Event = (
    GenerationRequested
    | GenerationCompleted
    | GenerationFailed
    | CancelRequested
    | AnalyticsEvent
    | PreferencesUpdated
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
    DeadLetter: EventSpec(name="ai.dead-letter", version=1, topic=DEAD_LETTER_TOPIC),
}
REQUESTED_SPEC: Final = EventSpec(name="ai.generation.requested", version=1, topic=REQUESTED_TOPIC)


def spec_of(event: Event) -> EventSpec:
    """The spec of an event; requests of every type share one."""
    return SPECS.get(type(event), REQUESTED_SPEC)
