"""The contract: what travels between the services, as types, and how it is written and read.

    from fanzgpt_schemas import decode_event, encode, new_request

Importing the package costs nothing; a name is loaded when it is first used, and pydantic with it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fanzgpt_schemas.base import JsonObject, Model
    from fanzgpt_schemas.codec import (
        Decoded,
        Encoded,
        ReadableIdentity,
        decode_event,
        decode_request,
        encode,
        readable_identity,
    )
    from fanzgpt_schemas.envelope import Envelope, Headers
    from fanzgpt_schemas.errors import ContractError, NotAnEvent, NotJson, UnknownType, Violation
    from fanzgpt_schemas.events import (
        ANALYTICS_TOPIC,
        BATCH_TOPIC,
        CANCEL_TOPIC,
        COMPLETED_TOPIC,
        DEAD_LETTER_TOPIC,
        FAILED_TOPIC,
        PREFERENCES_TOPIC,
        PRIORITY_TOPIC,
        REQUESTED_TOPIC,
        TOPIC_NAMES,
        Event,
        EventSpec,
        TopicName,
        spec_of,
    )
    from fanzgpt_schemas.facts import AnalyticsEvent, DeadLetter, PreferencesUpdated
    from fanzgpt_schemas.generation import (
        REASONS,
        CancelRequested,
        GenerationCompleted,
        GenerationFailed,
        GenerationMetadata,
        Reason,
        TokenUsage,
    )
    from fanzgpt_schemas.identity import (
        derived_request_id,
        event_id,
        foreign_event_id,
        record_event_id,
        request_key,
        user_key,
    )
    from fanzgpt_schemas.outputs import OUTPUTS
    from fanzgpt_schemas.requesting import new_request
    from fanzgpt_schemas.requests import GENERATION_TYPES, GenerationRequested, GenerationType, OnUnknown, Options
    from fanzgpt_schemas.topics import RegistryError, TopicRegistry, TopicSpec, bundled_topics, load_topics

__all__ = [
    "ANALYTICS_TOPIC",
    "BATCH_TOPIC",
    "CANCEL_TOPIC",
    "COMPLETED_TOPIC",
    "DEAD_LETTER_TOPIC",
    "FAILED_TOPIC",
    "GENERATION_TYPES",
    "OUTPUTS",
    "PREFERENCES_TOPIC",
    "PRIORITY_TOPIC",
    "REASONS",
    "REQUESTED_TOPIC",
    "TOPIC_NAMES",
    "AnalyticsEvent",
    "CancelRequested",
    "ContractError",
    "DeadLetter",
    "Decoded",
    "Encoded",
    "Envelope",
    "Event",
    "EventSpec",
    "GenerationCompleted",
    "GenerationFailed",
    "GenerationMetadata",
    "GenerationRequested",
    "GenerationType",
    "Headers",
    "JsonObject",
    "Model",
    "NotAnEvent",
    "NotJson",
    "OnUnknown",
    "Options",
    "PreferencesUpdated",
    "ReadableIdentity",
    "Reason",
    "RegistryError",
    "TokenUsage",
    "TopicName",
    "TopicRegistry",
    "TopicSpec",
    "UnknownType",
    "Violation",
    "bundled_topics",
    "decode_event",
    "decode_request",
    "derived_request_id",
    "encode",
    "event_id",
    "foreign_event_id",
    "load_topics",
    "new_request",
    "readable_identity",
    "record_event_id",
    "request_key",
    "spec_of",
    "user_key",
]

# In the order of what loading them costs; the first that has a name is asked for it.
_MODULES: Final = (
    "errors",
    "identity",
    "base",
    "codec",
    "events",
    "facts",
    "generation",
    "outputs",
    "requests",
    "topics",
)


if not TYPE_CHECKING:  # a type checker reads the imports above, and refuses any other name

    def __getattr__(name: str) -> object:
        if name in __all__:
            for module in _MODULES:
                home = import_module(f"{__name__}.{module}")
                if hasattr(home, name):
                    value: object = getattr(home, name)
                    globals()[name] = value
                    return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
