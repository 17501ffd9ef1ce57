"""How services talk to FANZ GPT: publish requests, await answers, follow completions.

    from fanzgpt_producers import GenerationClient

Importing the package costs nothing; a name is loaded when it is first used, and the Kafka client with it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fanzgpt_producers.bulk import publish_many
    from fanzgpt_producers.client import GenerationClient
    from fanzgpt_producers.endings import Ending
    from fanzgpt_producers.errors import (
        AnswerTimeout,
        BrokerUnavailable,
        EventTooLarge,
        ListeningStopped,
        ProducerError,
        PublisherStopped,
        PublishRefused,
        RequestFailed,
        RequestUnconfirmed,
        TopicMissing,
    )
    from fanzgpt_producers.handle import Handle
    from fanzgpt_producers.publisher import KafkaPublisher
    from fanzgpt_producers.requesting import Priority
    from fanzgpt_producers.security import Security, tls_context
    from fanzgpt_producers.subscriber import Poison, subscribe_completions, subscribe_endings

__all__ = [
    "AnswerTimeout",
    "BrokerUnavailable",
    "Ending",
    "EventTooLarge",
    "GenerationClient",
    "Handle",
    "KafkaPublisher",
    "ListeningStopped",
    "Poison",
    "Priority",
    "ProducerError",
    "PublishRefused",
    "PublisherStopped",
    "RequestFailed",
    "RequestUnconfirmed",
    "Security",
    "TopicMissing",
    "publish_many",
    "subscribe_completions",
    "subscribe_endings",
    "tls_context",
]

# In the order of what loading them costs; the first that has a name is asked for it.
_MODULES: Final = ("errors", "security", "publisher", "requesting", "endings", "handle", "bulk", "client", "subscriber")


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
