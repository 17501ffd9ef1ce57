"""Events onto the topics: acknowledged by all in-sync replicas, or told within a deadline that they are not."""

import asyncio
import logging
from collections.abc import Sequence
from itertools import zip_longest
from types import TracebackType
from typing import Any, Final, Self

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTimestampError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedForMessageFormatError,
)

from fanzgpt_producers.connection import Address, Compression, Connection, may_have_neighbours
from fanzgpt_producers.errors import (
    BrokerUnavailable,
    EventTooLarge,
    PublisherStopped,
    PublishRefused,
    TopicMissing,
)
from fanzgpt_producers.record_size import record_size, refuse_too_large
from fanzgpt_producers.security import Security
from fanzgpt_schemas.codec import Encoded

log = logging.getLogger(__name__)

DEADLINE_SECONDS: Final = 10.0
MAX_EVENT_BYTES: Final = 4_194_304  # the largest of topics.yaml
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0
NO_ANSWER: Final = "no answer"

_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
_REFUSED: Final = (
    ClusterAuthorizationFailedError,
    InvalidTimestampError,
    InvalidTopicError,
    PolicyViolationError,
    TopicAuthorizationFailedError,
    UnsupportedForMessageFormatError,
)


class KafkaPublisher:
    """Publishes events; one for a process is enough, and any number of tasks may use it at once.

    Delivery: at least once, with ids that let readers drop the copies. Order: events of one call that share a key are
    written in their order; two calls under way at the same time have none, a call after another's end comes after it.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        deadline: float = DEADLINE_SECONDS,
        compression: Compression = "none",
        max_event_bytes: int = MAX_EVENT_BYTES,
        client_id: str = "fanzgpt",
        security: Security | None = None,
    ) -> None:
        """Connects to nothing yet. `deadline` bounds each call, in seconds; `max_event_bytes` each event."""
        self._address = Address(
            bootstrap_servers=bootstrap_servers,
            client_id=client_id,
            compression=compression,
            security=security or Security(),
        )
        self._deadline = deadline
        self._max_event_bytes = max_event_bytes
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._last_failure = NO_ANSWER

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connect, so that a wrong address shows now; without it the first `publish` connects.

        Raises:
            BrokerUnavailable: no broker could be reached, or none answered within the deadline.
        """
        self._stopped = False
        try:
            async with asyncio.timeout(self._deadline):
                await self._connected()
        except TimeoutError:
            raise self._unavailable(f"no answer within {self._deadline:g} s") from None
        except KafkaError as error:
            raise self._unavailable(f"{_words(error)}; {self._address.security.doubt}") from error

    async def stop(self) -> None:
        """Deliver what is under way, within the deadline, and disconnect."""
        self._stopped = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        if self._connection is not None:
            self._retire(self._connection)
        while self._closing:
            await asyncio.wait(self._closing)

    async def publish(self, events: Sequence[Encoded], *, deadline: float | None = None) -> None:
        """Return once every event is acknowledged by all in-sync replicas.

        `deadline`, in seconds, is for this call instead of the publisher's own.

        Raises:
            EventTooLarge: an event is over the limit; none was sent. Or the broker's own limit for the topic is lower;
                the others may then have been written.
            PublishRefused: the broker does not take such events; others of the call may have been written.
            BrokerUnavailable: the deadline passed; each event may or may not have been written. Repeat the call.
            PublisherStopped: after `stop()`.
        """
        refuse_too_large(events, self._max_event_bytes)
        waiting: Sequence[Encoded] = events
        connection: Connection | None = None
        pause = FIRST_PAUSE_SECONDS
        seconds = self._deadline if deadline is None else deadline
        try:
            async with asyncio.timeout(seconds) as time:
                while waiting:
                    try:
                        connection = None
                        connection = await self._connected()
                        waiting = await self._deliver(waiting, connection)
                    except KafkaError as error:
                        self._last_failure = _words(error)
                    if waiting:
                        await asyncio.sleep(pause)
                        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        except TimeoutError:
            if not time.expired():
                raise
            if connection is None:
                raise self._unavailable(f"no connection within {seconds:g} s ({self._last_failure})") from None
            # What is stuck would be sent for ever and pile up with each repeated call: the connection goes with it.
            self._retire(connection)
            missing = next((event.topic for event in waiting if not connection.knows(event.topic)), None)
            if missing is not None:
                raise TopicMissing(bootstrap_servers=self._address.bootstrap_servers, topic=missing) from None
            raise self._unavailable(
                f"{len(waiting)} of {len(events)} events not acknowledged within {seconds:g} s"
            ) from None

    async def _deliver(self, events: Sequence[Encoded], connection: Connection) -> Sequence[Encoded]:
        """Send and await; the events that another connection has to send again, in their order."""
        futures: list[asyncio.Future[Any]] = []
        try:
            for event in events:
                futures.append(await connection.enqueue(event))  # noqa: PERF401 - a failure must find what was sent
            for future in futures:
                await future
        except KafkaError as error:
            self._retire(connection)
            again = [
                event for event, future in zip_longest(events, futures) if future is None or not _acknowledged(future)
            ]
            at = next((at for at, future in enumerate(futures) if _failed(future)), len(futures))
            if isinstance(error, _TOO_LARGE) and may_have_neighbours(events[at]):
                return await self._deliver_apart(again)
            final = _final(error, events[at])
            if final is not None:
                raise final from error
            log.warning("a new connection to Kafka takes over %d events: %s", len(again), _words(error))
            self._last_failure = _words(error)
            return again
        finally:
            for future in futures:
                if not future.done() or future.cancelled():
                    future.add_done_callback(_failed)
        return ()

    async def _deliver_apart(self, events: Sequence[Encoded]) -> Sequence[Encoded]:
        """Send one after another over a connection of their own: the broker refused a batch, for one event in it."""
        connection = await Connection.open(self._address)
        try:
            for at, event in enumerate(events):
                try:
                    await (await connection.enqueue(event))
                except KafkaError as error:
                    final = _final(error, event)
                    if final is not None:
                        raise final from error
                    self._last_failure = _words(error)
                    return events[at:]
        finally:
            self._let_go(connection)
        return ()

    async def _connected(self) -> Connection:
        """The connection; one attempt to open it serves everybody who waits."""
        if self._connection is not None:
            return self._connection
        if self._stopped:
            raise PublisherStopped("the publisher was stopped; `start()` it again to publish")
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name="fanzgpt-publisher-open")
            self._opening.add_done_callback(_failed)
        return await asyncio.shield(self._opening)

    async def _open(self) -> Connection:
        try:
            self._connection = await Connection.open(self._address)
        finally:
            self._opening = None
        self._last_failure = NO_ANSWER
        return self._connection

    def _retire(self, connection: Connection) -> None:
        """Use it no more; what others handed to it has as long as they have to be delivered."""
        if self._connection is connection:
            self._connection = None
            self._let_go(connection)

    def _let_go(self, connection: Connection) -> None:
        task = asyncio.create_task(connection.close(within=self._deadline), name="fanzgpt-publisher-close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        task.add_done_callback(_failed)

    def _unavailable(self, reason: str) -> BrokerUnavailable:
        return BrokerUnavailable(bootstrap_servers=self._address.bootstrap_servers, reason=reason)


def _final(error: KafkaError, event: Encoded) -> EventTooLarge | PublishRefused | None:
    """The error for what no other connection would mend."""
    if isinstance(error, _TOO_LARGE):
        return EventTooLarge(topic=event.topic, size=record_size(event), limit=None)
    if isinstance(error, _REFUSED):
        return PublishRefused(topic=event.topic, reason=_words(error))
    return None


def _failed(future: "asyncio.Future[Any]") -> bool:
    """Whether it failed; asking is also what keeps asyncio from reporting a failure that nobody awaited."""
    return future.done() and not future.cancelled() and future.exception() is not None


def _acknowledged(future: "asyncio.Future[Any]") -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _words(error: KafkaError) -> str:
    return "cannot be reached" if isinstance(error, KafkaConnectionError) else str(error)
