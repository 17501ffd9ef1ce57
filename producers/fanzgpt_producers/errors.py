"""What can go wrong between a service and the topics, in words that say what to do.

ProducerError
├── EventTooLarge          never: make the event smaller; nothing of the call was sent
├── PublishRefused         never: the broker said no, and would say it again
├── BrokerUnavailable      try again: the events may or may not have been written
│   ├── RequestUnconfirmed the same for a request of the client: repeat it under the same id
│   └── TopicMissing       the same, and somebody has to create the topic
├── PublisherStopped       our own side was stopped
├── AnswerTimeout          the request goes on; only the waiting ended
├── ListeningStopped       the same, because the client was closed
└── RequestFailed          the request has ended, without an answer
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanzgpt_schemas.generation import GenerationFailed


class ProducerError(Exception):
    """Root of the tree."""


class EventTooLarge(ProducerError):
    """The event is longer than its topic takes. `limit` is None where only the broker knows it."""

    def __init__(self, *, topic: str, size: int, limit: int | None) -> None:
        """`size` and `limit` are in bytes: key, value and headers together."""
        self.topic = topic
        self.size = size
        self.limit = limit
        most = (
            f"at most {limit:,} are taken: shorten it"
            if limit is not None
            else "the broker takes less for this topic: shorten it, or raise the topic's max.message.bytes"
        )
        super().__init__(f"an event for {topic} is {size:,} bytes long; {most}")


class PublishRefused(ProducerError):
    """The broker refuses what was sent, and will refuse it again; the text holds its reason."""

    def __init__(self, *, topic: str, reason: str) -> None:
        """`reason` is the broker's own word."""
        self.topic = topic
        self.reason = reason
        super().__init__(f"the broker refuses events for {topic}: {reason}")


class BrokerUnavailable(ProducerError):
    """No acknowledgement within the time given: the events may or may not have been written.

    Publishing the same events again is safe: their ids are derived from the request, so readers drop the second copy.
    """

    def __init__(self, *, bootstrap_servers: str, reason: str) -> None:
        """Name the address that was tried."""
        self.bootstrap_servers = bootstrap_servers
        self.reason = reason
        super().__init__(f"Kafka at {bootstrap_servers}: {reason}")


class RequestUnconfirmed(BrokerUnavailable):
    """The request may or may not have been written. Repeat it with the same `request_id`: it is answered once."""

    def __init__(self, *, bootstrap_servers: str, reason: str, request_id: str) -> None:
        """Name the request id to repeat with, which the caller may not have chosen."""
        self.request_id = request_id
        super().__init__(
            bootstrap_servers=bootstrap_servers,
            reason=f"{reason}; the request may have been written: repeat it with request_id={request_id!r}",
        )


class TopicMissing(BrokerUnavailable):
    """The brokers know no such topic; nothing was written to it."""

    def __init__(self, *, bootstrap_servers: str, topic: str) -> None:
        """Name the topic and the command that creates it."""
        self.topic = topic
        super().__init__(
            bootstrap_servers=bootstrap_servers,
            reason=f"there is no topic {topic}; `fanzgpt topics apply` creates it",
        )


class PublisherStopped(ProducerError):
    """Publishing was asked of a publisher after its `stop()`, or while it stopped."""


class AnswerTimeout(ProducerError):
    """The answer did not come within the time given. The request goes on: wait again, or cancel it."""

    def __init__(self, *, request_id: str, seconds: float) -> None:
        """Name the request, so that its answer can be found later."""
        self.request_id = request_id
        self.seconds = seconds
        super().__init__(f"no answer to request {request_id} within {seconds:g} s; the request goes on")


class ListeningStopped(ProducerError):
    """The client was closed, or never listened, while somebody waits for an answer. The request goes on."""

    def __init__(self, *, request_id: str) -> None:
        """Name the request, so that its answer can be found later."""
        self.request_id = request_id
        super().__init__(f"this client does not listen for the answer to request {request_id}; the request goes on")


class RequestFailed(ProducerError):
    """The request has ended without an answer; `event` says why and whether asking again could help."""

    def __init__(self, event: "GenerationFailed") -> None:
        """Keep the ending as it was published."""
        self.event = event
        again = "asking again may help" if event.retryable else "asking again will not help"
        super().__init__(f"request {event.request_id} ended as {event.reason}: {event.detail} ({again})")
