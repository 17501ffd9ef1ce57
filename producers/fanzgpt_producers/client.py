"""The client: ask for a generation, be sure that it was written down, await its answer."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from fanzgpt_producers.errors import BrokerUnavailable, RequestUnconfirmed, TopicMissing
from fanzgpt_producers.handle import ANSWER_SECONDS, Handle
from fanzgpt_producers.ids import new_request_id
from fanzgpt_producers.listening import Listening
from fanzgpt_producers.publisher import DEADLINE_SECONDS, KafkaPublisher
from fanzgpt_producers.requesting import Priority, encode_request
from fanzgpt_producers.security import Security
from fanzgpt_producers.waiting import Waiting
from fanzgpt_schemas.base import Model
from fanzgpt_schemas.codec import encode
from fanzgpt_schemas.generation import CancelRequested, GenerationCompleted
from fanzgpt_schemas.identity import event_id, request_key
from fanzgpt_schemas.requesting import new_request
from fanzgpt_schemas.requests import GenerationType, OnUnknown, Options


def _now() -> datetime:
    return datetime.now(UTC)


class GenerationClient:
    """Asks for generations and awaits their answers; one for a process is enough, for any number of tasks.

        async with GenerationClient(bootstrap_servers="localhost:9092") as client:
            answer = await client.generate(
                "social-post", user_id="u-1", input={"topic": "morning workout", "platform": "instagram"}
            )
            print(answer.output["post"])

    Delivery: a request whose publication returned is written to all in-sync replicas and reaches exactly one ending.
    The same request id with the same content is the same request, however often it is published.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        source: str = "fanzgpt/client",
        listen: bool = True,
        deadline: float = DEADLINE_SECONDS,
        new_id: Callable[[], str] = new_request_id,
        clock: Callable[[], datetime] = _now,
        security: Security | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            bootstrap_servers: `host:port`, or several with commas.
            source: who asks, as CloudEvents names it (`boyfanz/scheduler`).
            listen: read the topics of endings; without it answers cannot be awaited, and requests cost less.
            deadline: seconds that each exchange with the brokers may take.
            new_id: names requests that come without an id.
            clock: the present instant, aware.
            security: TLS and login, where the brokers want them.
        """
        self._bootstrap_servers = bootstrap_servers
        self._source = source
        self._deadline = deadline
        self._new_id = new_id
        self._clock = clock
        security = security or Security()
        self._publisher = KafkaPublisher(bootstrap_servers, deadline=deadline, client_id=source, security=security)
        self._waiting = Waiting()
        self._listening = (
            Listening(bootstrap_servers, self._waiting, client_id=source, security=security) if listen else None
        )

    @property
    def publisher(self) -> KafkaPublisher:
        """What the client publishes with, for `publish_many` and for events of your own."""
        return self._publisher

    async def __aenter__(self) -> Self:
        """Connect, and listen before anything can be asked.

        Raises:
            BrokerUnavailable: no broker answered within the deadline; or TopicMissing.
        """
        try:
            # Nothing is asked before both are there: no answer can come before somebody listens.
            if self._listening is not None:
                await self._listening.start(deadline=self._deadline)
            await self._publisher.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Publish what is under way and disconnect; idempotent. Handles that still wait raise ListeningStopped."""
        try:
            await self._publisher.stop()
        finally:
            if self._listening is not None:
                await self._listening.stop()

    async def request(
        self,
        type: GenerationType,  # noqa: A002 - the field's name in the contract
        *,
        user_id: str,
        input: Mapping[str, object] | Model,  # noqa: A002 - the field's name in the contract
        request_id: str | None = None,
        options: Mapping[str, object] | Options | None = None,
        conversation_id: str | None = None,
        deadline: datetime | timedelta | None = None,
        on_unknown: OnUnknown | None = None,
        stream: bool | None = None,
        metadata: Mapping[str, object] | None = None,
        priority: Priority = "standard",
        traceparent: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - its end says more than a cancellation: see RequestUnconfirmed
    ) -> Handle:
        """Publish one request; returns once it is acknowledged by all in-sync replicas.

        Args:
            type: what is asked for.
            user_id: on whose behalf.
            input: the fields of that type, as a mapping (names as on the wire or as in Python) or as its model.
            request_id: your own id; give one where you may have to repeat the call, such as the id of your order.
            options: provider, model, temperature, max tokens; what else is here reaches the prompt.
            conversation_id: requests of one conversation run one after another.
            deadline: when an answer becomes useless: an instant, or a time from now; nothing is spent past it.
            on_unknown: what to do where a crash hid the outcome of a paid call: `retry` or `fail`.
            stream: show the answer while it is made; the gateway's clients can watch it.
            metadata: travels with the request; not part of what is asked.
            priority: `priority` for somebody who is waiting, `batch` for what can wait.
            traceparent: the W3C trace context to go on with.
            timeout: seconds to wait for the acknowledgement, instead of the client's deadline.

        Raises:
            ContractError: the request is wrong, field by field; nothing was sent.
            EventTooLarge: the request is longer than the topic takes; nothing was sent.
            RequestUnconfirmed: no acknowledgement in time: repeat with the same `request_id`, which the error holds.
            TopicMissing: the brokers have no topic for requests.
        """
        request = new_request(
            type=type,
            user_id=user_id,
            input=input,
            request_id=self._new_id() if request_id is None else request_id,
            options=options,
            conversation_id=conversation_id,
            deadline=self._clock() + deadline if isinstance(deadline, timedelta) else deadline,
            on_unknown=on_unknown,
            stream=stream,
            metadata=metadata,
        )
        record = encode_request(
            request, time=self._clock(), source=self._source, priority=priority, traceparent=traceparent
        )
        expectation = None if self._listening is None else self._waiting.expect(request)
        try:
            await self._publisher.publish((record,), deadline=timeout)
        except TopicMissing:
            raise
        except BrokerUnavailable as error:
            raise RequestUnconfirmed(
                bootstrap_servers=error.bootstrap_servers, reason=error.reason, request_id=request.request_id
            ) from error
        return Handle(request, expectation)

    async def generate(
        self,
        type: GenerationType,  # noqa: A002 - the field's name in the contract
        *,
        user_id: str,
        input: Mapping[str, object] | Model,  # noqa: A002 - the field's name in the contract
        request_id: str | None = None,
        options: Mapping[str, object] | Options | None = None,
        conversation_id: str | None = None,
        priority: Priority = "priority",
        traceparent: str | None = None,
        timeout: float = ANSWER_SECONDS,  # noqa: ASYNC109 - its end says more than a cancellation: see AnswerTimeout
    ) -> GenerationCompleted:
        """Ask and await the answer: `request` and `result` in one, for somebody who is waiting.

        `timeout`, in seconds, covers both, and is the request's deadline too: an answer after it is of no use.

        Raises:
            AnswerTimeout: nothing came in time.
            RequestFailed: the request ended without an answer; the error holds the ending.
            ContractError, EventTooLarge, RequestUnconfirmed, TopicMissing: as for `request`.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        handle = await self.request(
            type,
            user_id=user_id,
            input=input,
            request_id=request_id,
            options=options,
            conversation_id=conversation_id,
            deadline=timedelta(seconds=timeout),
            priority=priority,
            traceparent=traceparent,
            timeout=min(timeout, self._deadline),
        )
        return await handle.result(timeout=max(0.0, end - loop.time()))

    async def cancel(self, handle: Handle, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as `request`
        """Publish the wish to end a request early; it then ends as `cancelled`, unless it ended otherwise before.

        Raises:
            BrokerUnavailable: no acknowledgement in time; cancelling twice is safe.
        """
        key = request_key(handle.user_id, handle.request_id)
        wish = CancelRequested(request_id=handle.request_id, user_id=handle.user_id)
        record = encode(wish, event_id=event_id(key, "cancel-requested"), time=self._clock(), source=self._source)
        await self._publisher.publish((record,), deadline=timeout)
