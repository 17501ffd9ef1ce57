"""The publisher's twin for tests: keeps what was published, and can be without a broker."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from fanzgpt_producers.errors import BrokerUnavailable, PublisherStopped
from fanzgpt_producers.record_size import refuse_too_large
from fanzgpt_schemas.codec import Encoded

ADDRESS: Final = "memory"


class MemoryPublisher:
    """Behaves as KafkaPublisher does, in one process: the same contract suite runs on both.

    `events` is what a reader would find, in the order of writing. After `cut` no call is acknowledged until `heal`;
    with `cut(losing="acknowledgements")` events are written all the same, as when a broker dies before it can say so.
    """

    def __init__(self, *, deadline: float = 10.0, max_event_bytes: int = 4_194_304) -> None:
        """A broker is there; nothing is written. `deadline` is in the loop's seconds, which a test may own."""
        self.events: list[Encoded] = []
        self._deadline = deadline
        self._max_event_bytes = max_event_bytes
        self._reachable = asyncio.Event()
        self._reachable.set()
        self._writes_when_cut = False
        self._stopped = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def cut(self, *, losing: str = "events") -> None:
        """Take the broker away: from now on `events` or only `acknowledgements` are lost."""
        self._writes_when_cut = losing == "acknowledgements"
        self._reachable.clear()

    def heal(self) -> None:
        """Bring the broker back; calls that still wait are acknowledged."""
        self._reachable.set()

    async def start(self) -> None:
        """Raises BrokerUnavailable when the broker is away for the whole deadline."""
        self._stopped = False
        await self._reach(self._deadline)

    async def stop(self) -> None:
        """Publish no more; idempotent."""
        self._stopped = True

    async def publish(self, events: Sequence[Encoded], *, deadline: float | None = None) -> None:
        """Return once every event is in `events`; raises as KafkaPublisher does."""
        refuse_too_large(events, self._max_event_bytes)
        if self._stopped:
            raise PublisherStopped("the publisher was stopped; `start()` it again to publish")
        if not events:
            return
        written = not self._reachable.is_set() and self._writes_when_cut
        if written:
            self.events.extend(events)
        await self._reach(self._deadline if deadline is None else deadline)
        if not written:
            self.events.extend(events)

    async def _reach(self, seconds: float) -> None:
        if self._reachable.is_set():
            await asyncio.sleep(0)  # no acknowledgement comes without others having had their turn
            return
        try:
            async with asyncio.timeout(seconds):
                await self._reachable.wait()
        except TimeoutError:
            raise BrokerUnavailable(bootstrap_servers=ADDRESS, reason=f"no answer within {seconds:g} s") from None
