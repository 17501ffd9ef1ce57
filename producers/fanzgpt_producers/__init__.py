"""How services talk to FANZ GPT: publish requests, await answers, follow completions.

    from fanzgpt_producers import GenerationClient

Importing the package costs nothing; a name is loaded when it is first used, and the Kafka client with it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fanzgpt_producers.errors import (
        AnswerTimeout,
        BrokerUnavailable,
        EventTooLarge,
        ListeningStopped,
        ProducerError,
        PublisherStopped,
        PublishRefused,
        RequestFailed,
        TopicMissing,
    )
    from fanzgpt_producers.publisher import KafkaPublisher
    from fanzgpt_producers.security import Security

__all__ = [
    "AnswerTimeout",
    "BrokerUnavailable",
    "EventTooLarge",
    "KafkaPublisher",
    "ListeningStopped",
    "ProducerError",
    "PublishRefused",
    "PublisherStopped",
    "RequestFailed",
    "Security",
    "TopicMissing",
]

# In the order of what loading them costs; the first that has a name is asked for it.
_MODULES: Final = ("errors", "security", "publisher")


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
