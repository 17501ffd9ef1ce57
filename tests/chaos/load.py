"""Requests, published beside the faults, each until the broker has acknowledged it."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from time import monotonic, time

from fanzgpt_producers.errors import BrokerUnavailable
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_producers.requesting import encode_request
from fanzgpt_schemas.codec import Encoded, new_request
from fanzgpt_schemas.requests import GenerationRequested

BATCH = 50
ACKNOWLEDGED_SECONDS = 5.0


def requests(prefix: str, number: int, *, users: int = 40) -> list[GenerationRequested]:
    """Social posts of the users in turn: some state preferences, some may not be called again once in doubt."""
    return [
        new_request(
            type="social-post",
            request_id=f"{prefix}-{at}",
            user_id=f"{prefix}-user-{at % users}",
            input={"topic": f"morning workout {at}", "platform": "instagram"},
            options={"preferences": {"tone": f"tone {at}"}} if at % 5 == 0 else {},
            on_unknown="fail" if at % 20 == 19 else None,
        )
        for at in range(number)
    ]


class Load(threading.Thread):
    """Publishes requests in their order, so many a second; a batch whose outcome is unknown is published again."""

    def __init__(self, bootstrap: str, wanted: Sequence[GenerationRequested], *, rate: float) -> None:
        super().__init__(daemon=True)
        self._brokers = bootstrap
        self.wanted = wanted
        self._rate = rate
        self.seconds = len(wanted) / rate
        self._failure: BaseException | None = None
        self.acknowledged = 0
        self.unknown = 0
        self.longest_call = 0.0
        self.published_at: dict[str, float] = {}

    def run(self) -> None:
        try:
            asyncio.run(self._publish())
        except BaseException as failure:  # noqa: BLE001  # told by `finish`, in the thread that waits for it
            self._failure = failure

    def finish(self, seconds: float) -> None:
        """Return once everything is acknowledged; raises what publishing raised."""
        self.join(seconds)
        if self._failure is not None:
            raise self._failure
        assert not self.is_alive(), f"{self.acknowledged} of {len(self.wanted)} requests are acknowledged"

    async def _publish(self) -> None:
        began = monotonic()
        async with KafkaPublisher(self._brokers, deadline=ACKNOWLEDGED_SECONDS, client_id="chaos-load") as publisher:
            for start in range(0, len(self.wanted), BATCH):
                await asyncio.sleep(max(0.0, began + start / self._rate - monotonic()))
                batch = [
                    encode_request(each, time=datetime.now(UTC), source="chaos")
                    for each in self.wanted[start : start + BATCH]
                ]
                now = time()
                self.published_at |= {each.request_id: now for each in self.wanted[start : start + BATCH]}
                await self._until_acknowledged(publisher, batch)
                self.acknowledged += len(batch)

    async def _until_acknowledged(self, publisher: KafkaPublisher, batch: Sequence[Encoded]) -> None:
        while True:
            began = monotonic()
            try:
                await publisher.publish(batch)
            except BrokerUnavailable:
                self.unknown += len(batch)
            else:
                return
            finally:
                self.longest_call = max(self.longest_call, monotonic() - began)


def flood(bootstrap: str, prefix: str, number: int, *, each: int = 5_000) -> None:
    """Publish so many requests as fast as the brokers take them, holding no more than `each` in memory."""

    async def publish() -> None:
        async with KafkaPublisher(bootstrap, deadline=60, client_id="chaos-flood") as publisher:
            for batch in _encoded(prefix, number, each):
                await publisher.publish(batch)

    asyncio.run(publish())


def _encoded(prefix: str, number: int, each: int) -> Iterator[list[Encoded]]:
    now = datetime.now(UTC)
    for start in range(0, number, each):
        wanted = requests(f"{prefix}-{start}", min(each, number - start), users=2_000)
        yield [encode_request(one, time=now, source="chaos") for one in wanted]
