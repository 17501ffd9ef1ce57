"""Publishing until it is done: a saved ending is never given up."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from fanzgpt_producers.errors import BrokerUnavailable
from fanzgpt_schemas.codec import Encoded
from fanzgpt_workers.ports import Publisher

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0


class Publication:
    """A publisher that waits out the broker's absence."""

    def __init__(self, publisher: Publisher, *, away: Callable[[Exception], None]) -> None:
        """`away` is told each time the broker did not acknowledge."""
        self._publisher = publisher
        self._away = away

    async def publish(self, events: Sequence[Encoded]) -> None:
        """Return once every event is acknowledged.

        An event may be published twice when an acknowledgement was lost; its id is the same, so sinks drop it.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._publisher.publish(events)
            except BrokerUnavailable as error:
                self._away(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                return
