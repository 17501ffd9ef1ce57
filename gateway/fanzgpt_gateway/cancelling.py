"""The wish to end a request early, as an event."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from fanzgpt_gateway.refusals import Refusal
from fanzgpt_producers.errors import BrokerUnavailable, PublisherStopped
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.codec import encode
from fanzgpt_schemas.generation import CancelRequested
from fanzgpt_schemas.identity import event_id, request_key

SOURCE: Final = "fanzgpt/gateway"


class Cancelling:
    """Publishes wishes; cancelling twice is the same wish."""

    def __init__(self, publisher: KafkaPublisher, *, clock: Callable[[], datetime]) -> None:
        """The publisher belongs to whoever opened it."""
        self._publisher = publisher
        self._clock = clock

    async def cancel(self, user_id: str, request_id: str) -> None:
        """Return once the wish is acknowledged by all in-sync replicas; raises Refusal (503) where it is not."""
        wish = CancelRequested(request_id=request_id, user_id=user_id)
        identity = event_id(request_key(user_id, request_id), "cancel-requested")
        try:
            await self._publisher.publish((encode(wish, event_id=identity, time=self._clock(), source=SOURCE),))
        except (BrokerUnavailable, PublisherStopped) as error:
            raise Refusal(
                503, "Service unavailable", "The wish may not have been taken; repeat it", headers={"Retry-After": "1"}
            ) from error
