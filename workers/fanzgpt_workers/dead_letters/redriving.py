"""Sending the record of a dead letter again, so that however often it is sent, it counts once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError

from fanzgpt_producers.security import Security
from fanzgpt_schemas.events import COMPLETED_TOPIC
from fanzgpt_schemas.identity import derived_request_id, record_event_id
from fanzgpt_schemas.reading import read_what_can_be
from fanzgpt_workers.dead_letters.letter import REQUEST_TOPICS, Letter
from fanzgpt_workers.errors import BrokerUnavailable, FanzError

REDRIVEN_FROM: Final = "redriven_from"
_CLOSING_SECONDS: Final = 5.0


class NotRedriven(FanzError):
    """This letter cannot be sent again; the text says why."""


def headers_again(letter: Letter) -> list[tuple[str, bytes]]:
    """The record's headers, what it was called by its place in the log, and where the letter stands.

    A record that names itself keeps its name. One that did not was named after its place, which it is about to change:
    a request and a completion by their request id, every event but a request by its event id, and its time.
    """
    origin = letter.origin
    place = (origin.topic, origin.partition, origin.offset)
    headers = [(name, value) for name, value in letter.headers if name != REDRIVEN_FROM]
    _, named = read_what_can_be(letter.value, headers)
    is_request = origin.topic in REQUEST_TOPICS
    if (is_request or origin.topic == COMPLETED_TOPIC) and not named.keys() & {"id", "request_id"}:
        headers.append(("request_id", derived_request_id(*place).encode()))
    if not is_request and "id" not in named:
        headers.append(("ce_id", str(record_event_id(*place)).encode()))
    if not is_request and "time" not in named:
        headers.append(("ce_time", letter.time.isoformat().encode()))
    headers.append((REDRIVEN_FROM, str(letter.place).encode()))
    return headers


def refuse_in_part(letter: Letter) -> None:
    """Raise NotRedriven for a letter that does not hold the whole record."""
    if not letter.whole:
        raise NotRedriven(
            f"letter {letter.name} holds {len(letter.value or b''):,} of {letter.value_bytes:,} bytes: "
            "ask its sender to publish it again"
        )


class Redriver:
    """Writes records to where they came from, acknowledged by all in-sync replicas, one after another."""

    def __init__(self, producer: AIOKafkaProducer, *, address: str, deadline: float) -> None:
        """Use `open_redriver`."""
        self._producer = producer
        self._address = address
        self._deadline = deadline
        self._partitions: dict[str, frozenset[int]] = {}

    async def redrive(self, letter: Letter, *, value: bytes | None = None) -> None:
        """Write the record to its own topic, and to its own partition where there still is one.

        `value` replaces the record's own: mended, under the same name.

        Raises:
            NotRedriven: the letter does not hold the whole record, or its topic is gone or takes less.
            BrokerUnavailable: no acknowledgement within the deadline; the record may or may not have been written.
        """
        if value is None:
            refuse_in_part(letter)
        topic = letter.origin.topic
        try:
            async with asyncio.timeout(self._deadline):
                partitions = await self._partitions_of(topic)
                if not partitions:
                    raise NotRedriven(f"letter {letter.name} came from {topic}, a topic that is no longer there")
                await self._producer.send_and_wait(
                    topic,
                    letter.value if value is None else value,
                    letter.key,
                    partition=letter.origin.partition if letter.origin.partition in partitions else None,
                    headers=headers_again(letter),
                )
        except MessageSizeTooLargeError as error:
            raise NotRedriven(f"letter {letter.name} is longer than {topic} takes") from error
        except TimeoutError as error:
            said = f"did not acknowledge letter {letter.name} within {self._deadline:g} s; redrive it again"
            raise BrokerUnavailable(f"Kafka at {self._address} {said}") from error
        except KafkaError as error:
            raise BrokerUnavailable(f"Kafka at {self._address}: {error} (letter {letter.name})") from error

    async def _partitions_of(self, topic: str) -> frozenset[int]:
        """Asked of the brokers once for each topic: the producer itself would wait for one that is not there."""
        if topic not in self._partitions:
            every = await self._producer.client.fetch_all_metadata()
            self._partitions[topic] = frozenset(every.partitions_for_topic(topic) or ())
        return self._partitions[topic]


@asynccontextmanager
async def open_redriver(
    bootstrap_servers: str, *, security: Security, deadline: float = 30.0
) -> AsyncIterator[Redriver]:
    """Connect for the block; raises BrokerUnavailable, naming the address, when no broker answers."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        client_id="fanzgpt-dlq",
        acks="all",
        enable_idempotence=True,
        max_request_size=2**31 - 1,  # what the topic once took, it is asked to take again
        request_timeout_ms=10_000,
        **security.options(),
    )
    try:
        try:
            async with asyncio.timeout(deadline):
                await producer.start()
        except (KafkaConnectionError, TimeoutError) as error:
            raise BrokerUnavailable(f"Kafka at {bootstrap_servers} does not answer: {security.doubt}") from error
        yield Redriver(producer, address=bootstrap_servers, deadline=deadline)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await producer.stop()
