"""From a record to runnable work: decode once, choose the lane, and give bad records their own quiet way out."""

from functools import partial
from typing import Protocol
from uuid import UUID

from fanzgpt_schemas.codec import decode_request, encode, readable_identity
from fanzgpt_schemas.errors import ContractError
from fanzgpt_schemas.generation import GenerationFailed
from fanzgpt_schemas.identity import event_id, request_key
from fanzgpt_workers.core.costs import Costs
from fanzgpt_workers.core.lanes import Slot
from fanzgpt_workers.lifecycle.answering import Answering
from fanzgpt_workers.lifecycle.events import SOURCE
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.publishing.dead_letters import DeadLetters
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.records import Handled, Record, Work

MAX_BROKEN_IN_A_ROW = 20


class IntakeObserver(Protocol):
    """Told of records that could not be used."""

    def refused(self, record: Record, error: ContractError) -> None:
        """The record breaks the contract; it goes to the dead-letter topic."""
        ...

    def broke(self, record: Record, error: Exception) -> None:
        """Our own code failed on a record; it goes to the dead-letter topic."""
        ...


class GenerationIntake:
    """Makes generation requests runnable.

    Lanes: one per conversation of a user; requests outside a conversation have a lane per request, so that the same
    request twice never runs side by side. A record that breaks the contract is dead-lettered and, where its sender
    can be read, told `failed: invalid`. A record on which our own code fails is dead-lettered; too many in a row mean
    a bad release, and the last one is raised, which stops the process before it empties the topic.
    """

    def __init__(
        self,
        *,
        answering: Answering,
        publication: Publication,
        dead_letters: DeadLetters,
        clock: Clock,
        observer: IntakeObserver,
        costs: Costs | None = None,
        premium_weight: int = 1,
    ) -> None:
        """Wire up. `costs` knows about how much requests take; users with a premium subscription weigh so much."""
        self._answering = answering
        self._publication = publication
        self._dead_letters = dead_letters
        self._clock = clock
        self._observer = observer
        self._costs = costs or Costs()
        self._premium_weight = premium_weight
        self._broken_in_a_row = 0

    def work(self, record: Record) -> Work:
        """Decode and place the record; never raises."""
        origin = record.origin
        try:
            decoded = decode_request(
                record.value, record.headers, topic=origin.topic, partition=origin.partition, offset=origin.offset
            )
        except ContractError as error:
            slot = Slot(lane=origin, user=origin.of, partition=origin.of)
            return Work(record, slot, partial(self._refuse, record, error))
        event = decoded.event
        request = LiveRequest(
            event=event, origin=origin, stated_at_ms=record.timestamp_ms, traceparent=decoded.envelope.traceparent
        )
        lane: object = (event.user_id, event.conversation_id) if event.conversation_id else request.key
        is_premium = event.metadata is not None and event.metadata.get("subscription") == "premium"
        slot = Slot(
            lane=lane,
            user=event.user_id,
            partition=origin.of,
            tokens=self._costs.of(event.type, record.size, event.options.max_tokens),
            weight=self._premium_weight if is_premium else 1,
        )
        return Work(record, slot, partial(self._answer, record, request))

    async def _answer(self, record: Record, request: LiveRequest, term: int) -> Handled:
        try:
            handled = await self._answering.run(request, term=term)
        except Exception as error:
            self._broken_in_a_row += 1
            self._observer.broke(record, error)
            if self._broken_in_a_row >= MAX_BROKEN_IN_A_ROW:
                raise
            await self._dead_letters.send(record, reason="internal-error", error=f"{type(error).__name__}: {error}")
            return Handled.DONE
        self._broken_in_a_row = 0
        return handled

    async def _refuse(self, record: Record, error: ContractError, _: int) -> Handled:
        self._observer.refused(record, error)
        await self._dead_letters.send(record, reason="invalid", error=str(error))
        origin = record.origin
        identity = readable_identity(
            record.value, record.headers, topic=origin.topic, partition=origin.partition, offset=origin.offset
        )
        if identity is not None:
            key: UUID = request_key(identity.user_id, identity.request_id)
            failure = GenerationFailed(
                request_id=identity.request_id,
                user_id=identity.user_id,
                type=identity.type,
                input=identity.input,
                reason="invalid",
                retryable=False,
                detail=str(error),
            )
            # Not an ending of a valid request that used this id: the event has an identity of its own.
            identity_of_event = event_id(key, f"invalid:{origin}")
            now = self._clock.now()
            await self._publication.publish([encode(failure, event_id=identity_of_event, time=now, source=SOURCE)])
        return Handled.DONE
