"""The way into the half-price lane: a request that may wait is written down, and its record is done."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

import orjson

from fanzgpt_schemas.codec import decode_request
from fanzgpt_workers.batches.ports import BatchStore, Held, Rejoining
from fanzgpt_workers.core.half_price import BatchPolicy, waits
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import Unavailable
from fanzgpt_workers.lifecycle.batching import Batcher
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.ports import Clock

_AT_ONCE: Final = 256


class BatchLane:
    """Takes requests in; many share a statement. Implements `lifecycle.answering.Lane`."""

    def __init__(
        self, store: BatchStore, policy: BatchPolicy, *, clock: Clock, away: Callable[[Unavailable], None]
    ) -> None:
        """`away` is told each time the database could not be reached."""
        self._policy = policy
        self._clock = clock
        self._held: Batcher[Held, None] = Batcher(store.hold, limit=_AT_ONCE, away=away)
        self._rejoining: Batcher[Rejoining, bool] = Batcher(store.rejoined, limit=_AT_ONCE, away=away)

    async def takes_in(self, request: LiveRequest, target: Target, *, epoch: int, term: int, is_first: bool) -> bool:
        """Whether the request waits from now on; its record may then be passed."""
        event = request.event
        if not waits(
            self._policy,
            generation_type=event.type,
            topic=request.origin.topic,
            provider=target.provider,
            deadline=event.deadline,
            in_conversation=event.conversation_id is not None,
            called_before=not is_first,
            now=self._clock.now(),
        ):
            return False
        await self._held.submit(held_of(request, target, epoch=epoch, term=term))
        return True

    async def has(self, request_key: UUID, *, epoch: int, term: int) -> bool:
        """Whether the request waits already; it is this owner's from now on."""
        return await self._rejoining.submit(Rejoining(request_key, epoch, term))


def held_of(request: LiveRequest, target: Target, *, epoch: int, term: int) -> Held:
    """The request as it is written down."""
    return Held(
        request_key=request.key,
        epoch=epoch,
        term=term,
        target=target,
        request=orjson.dumps(request.event.wire()).decode(),
        origin=request.origin,
        stated_at_ms=request.stated_at_ms,
        traceparent=request.traceparent,
        deadline=request.event.deadline,
    )


def request_of(held: Held) -> LiveRequest:
    """The request that was written down."""
    origin = held.origin
    decoded = decode_request(
        held.request.encode(), (), topic=origin.topic, partition=origin.partition, offset=origin.offset
    )
    return LiveRequest(event=decoded.event, origin=origin, stated_at_ms=held.stated_at_ms, traceparent=held.traceparent)
