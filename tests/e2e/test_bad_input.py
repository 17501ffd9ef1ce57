"""Every row of docs/howto/bad-input.md, end to end: raw records on a real broker, real processes, and their bill."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import time
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from tests.conftest import database
from tests.e2e.processes import PROCESSES, settings, worker
from tests.e2e.rows import execute, rows, stored_past
from tests.e2e.stated import table
from tests.e2e.topics import Onlooker, begin_here, completion, failure, header, letter, onlooker, raw_producer

from fanzgpt_schemas.events import COMPLETED_TOPIC, DEAD_LETTER_TOPIC, FAILED_TOPIC, REQUESTED_TOPIC
from fanzgpt_schemas.identity import derived_request_id, user_key
from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_stack.servers import StackServers

PAGE = "howto/bad-input.md"
NO_REQUEST = table(PAGE, "Records that are no request")
NEVER_IN = table(PAGE, "Records that never get in")
WITH_HISTORY = table(PAGE, "Requests with a history, and users without one")
NO_ROW = table(PAGE, "Events that cannot become rows")

PARTITION = 3
LATE_SECONDS = 1.0


def request(**changed: object) -> dict[str, object]:
    """A good request, under names of its own, with some fields changed; None leaves a field out."""
    good = {
        "requestId": f"r-{uuid4()}",
        "userId": f"u-{uuid4()}",
        "type": "social-post",
        "input": {"topic": "morning workout", "platform": "instagram"},
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def text(document: object) -> bytes:
    return json.dumps(document).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A bad record, and the request id and user that its sender could be told under."""

    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    request_id: str | None = None
    user_id: str | None = None


def bad(value: bytes | None) -> Callable[[], Bad]:
    return lambda: Bad(value=value)


def bad_request(*, headers: tuple[tuple[str, bytes], ...] = (), **changed: object) -> Callable[[], Bad]:
    def made() -> Bad:
        body = request(**changed)
        told = {name: str(body[name]) for name in ("requestId", "userId") if name in body}
        return Bad(value=text(body), headers=headers, request_id=told.get("requestId"), user_id=told.get("userId"))

    return made


def topic(given: object) -> dict[str, object]:
    return {"topic": given, "platform": "x"}


SENT: dict[str, Callable[[], Bad]] = {
    "no value": bad(None),
    "an empty value": bad(b""),
    "text that is not JSON": bad(b"please write a post"),
    "a JSON array": bad(b'["social-post"]'),
    "a number where a text belongs": bad_request(input=topic(5)),
    "a number as user": bad_request(userId=7),
    "no user": bad_request(userId=None),
    "no platform for a social post": bad_request(input={"topic": "gym"}),
    "no type": bad_request(type=None),
    "an unknown generation type": bad_request(type="poem"),
    "a deadline in words": bad_request(deadline="soon"),
    "a request id of 200 characters": bad_request(requestId="r" * 200),
    "more than 1,000,000 bytes": bad_request(input=topic("x" * 1_000_000)),
    "U+0000 in a text": bad_request(input=topic("a\0b")),
    "a lone surrogate, escaped": bad_request(input=topic("a\ud800b")),
    "a lone surrogate, in bytes": bad(text(request()).replace(b"morning", b"\xed\xa0\x80")),
    "another version in ce_type": bad_request(headers=(("ce_type", b"ai.generation.requested.v9"),)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A generation worker and the three sinks, for all tests here; users that are not in `users` get no rows."""

    url: str
    prefix: str
    emulator: RunningEmulator
    producer: AIOKafkaProducer
    seen: Onlooker
    environ: dict[str, str]

    async def publish(self, value: bytes | None, *, partition: int = PARTITION, **more: Any) -> Any:
        return await self.producer.send_and_wait(REQUESTED_TOPIC, value, partition=partition, **more)

    async def letter_about(self, place: Any, consumer: str) -> Any:
        """The dead letter of a record, which no second one follows."""

        def about(record: Any) -> bool:
            if record.topic != DEAD_LETTER_TOPIC:
                return False
            told = letter(record)
            wanted = (place.topic, place.partition, place.offset, f"{self.prefix}.{consumer}")
            return (told.topic, told.partition, told.offset, told.consumer) == wanted

        await self.seen.wait_for(about)
        await self.seen.read_all()
        [found] = [letter(record) for record in self.seen.records if about(record)]
        return found

    async def endings(self, request_id: object, topic_: str, *, count: int = 1) -> list[Any]:
        """Records of a request on one of the topics of endings."""
        return await self.seen.wait_for(
            lambda record: record.topic == topic_ and header(record, "request_id") == request_id, count=count
        )

    async def known_user(self) -> str:
        """A user that is in `users`."""
        user = str(uuid4())
        await execute(self.url, "INSERT INTO users (id) VALUES ($1::text::uuid)", user)
        return user

    def calls(self, request_id: object) -> int:
        """Lines of a request on the provider's bill."""
        return sum(line["request_id"] == request_id for line in self.emulator.bill())


@pytest.fixture(scope="module")
async def system(
    stack: StackServers,
    endpoints: dict[str, str],
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("bad-input")
    bootstrap = endpoints["KAFKA_BOOTSTRAP_SERVERS"]
    with (
        database(endpoints["DATABASE_URL"], template=migrated_template) as url,
        running_emulator(folder / "bill.jsonl", latency="50ms") as emulator,
        ExitStack() as running,
    ):
        environ = {**settings(endpoints, url, emulator), "UNKNOWN_USERS": "dead-letter"}
        prefix = environ["KAFKA_GROUP_PREFIX"]
        await begin_here(bootstrap, prefix)
        for name in PROCESSES:
            running.enter_context(worker(name, environ, folder))
        async with (
            raw_producer(bootstrap, max_request_size=4_000_000) as producer,
            onlooker(bootstrap, COMPLETED_TOPIC, FAILED_TOPIC, DEAD_LETTER_TOPIC) as seen,
        ):
            yield System(url=url, prefix=prefix, emulator=emulator, producer=producer, seen=seen, environ=environ)


@pytest.mark.parametrize(("name", "told", "error"), NO_REQUEST, ids=[row[0] for row in NO_REQUEST])
async def test_a_record_that_is_no_request_is_kept_whole_and_its_sender_told(
    system: System, name: str, told: str, error: str
) -> None:
    sent = SENT[name]()
    place = await system.publish(sent.value, key=b"\xff key", headers=list(sent.headers))
    kept = await system.letter_about(place, "generation")
    assert (kept.reason, kept.attempts) == ("invalid", 1)
    assert kept.error.startswith(error) or error in kept.error
    assert (None if kept.value is None else b64decode(kept.value)) == sent.value
    assert b64decode(kept.key or "") == b"\xff key"
    assert tuple((header_, b64decode(given)) for header_, given in kept.headers) == sent.headers
    derived = derived_request_id(place.topic, place.partition, place.offset)
    request_id = derived if sent.request_id is None or len(sent.request_id) > 128 else sent.request_id
    if told.startswith("yes"):
        [record] = await system.endings(request_id, FAILED_TOPIC)
        answer = failure(record)
        assert (answer.reason, answer.retryable, answer.detail) == ("invalid", False, kept.error)
        assert (answer.request_id, answer.user_id) == (request_id, sent.user_id)
        assert (answer.input == {}) == ("without its input" in told)
        assert (request_id == derived) == ("under another id" in told)
    else:
        await system.seen.read_all()
        names = {header(record, "request_id") for record in system.seen.records if record.topic == FAILED_TOPIC}
        assert names.isdisjoint({request_id, derived})
    assert system.calls(request_id) == 0


def test_every_row_of_the_page_is_tested() -> None:
    assert list(SENT) == [row[0] for row in NO_REQUEST]
    assert len(NEVER_IN) == 2
    assert [row[0] for row in WITH_HISTORY] == list(HELD_BY)
    assert list(EVENTS) == [row[0] for row in NO_ROW]


@pytest.mark.parametrize("compression", [None, "gzip"], ids=[row[0] for row in NEVER_IN])
async def test_two_megabytes_are_refused_by_the_broker(system: System, compression: str | None) -> None:
    async with raw_producer(
        system.environ["KAFKA_BOOTSTRAP_SERVERS"], max_request_size=4_000_000, compression_type=compression
    ) as producer:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(REQUESTED_TOPIC, text(request(input=topic("x" * 2_000_000))))


async def test_good_neighbours_of_bad_records_in_a_partition_are_not_late(system: System) -> None:
    async def seconds_until_answered(before_each: Sequence[Callable[[], Bad] | None]) -> list[float]:
        sent = {}
        for kind in before_each:
            if kind is not None:
                broken = kind()
                await system.producer.send(
                    REQUESTED_TOPIC, broken.value, b"key", partition=PARTITION, headers=list(broken.headers)
                )
            good = request()
            sent[good["requestId"]] = time()
            await system.producer.send(REQUESTED_TOPIC, text(good), partition=PARTITION)
        answered = await system.seen.wait_for(
            lambda record: record.topic == COMPLETED_TOPIC and header(record, "request_id") in sent, count=len(sent)
        )
        return [record.timestamp / 1000 - sent[header(record, "request_id")] for record in answered]

    kinds = [*SENT.values()] * 2
    alone = await seconds_until_answered([None] * len(kinds))
    beside_bad_ones = await seconds_until_answered(kinds)
    assert max(beside_bad_ones) - median(alone) < LATE_SECONDS


async def test_an_id_again_with_the_same_content_gets_the_same_answer_again(system: System) -> None:
    asked = request(userId=await system.known_user())
    await system.publish(text(asked))
    await system.endings(asked["requestId"], COMPLETED_TOPIC)
    # The same question, spelled otherwise and by another producer.
    again = {**asked, "metadata": {"attempt": 2}, "deadline": "2099-01-01T00:00:00Z"}
    await system.publish(json.dumps(again, indent=1).encode())
    first, second = await system.endings(asked["requestId"], COMPLETED_TOPIC, count=2)
    assert (first.value, header(first, "ce_id")) == (second.value, header(second, "ce_id"))
    await _has_one_row(system, second)
    assert system.calls(asked["requestId"]) == 1


async def test_an_id_twice_at_once_is_answered_once(system: System) -> None:
    asked = request(userId=await system.known_user())
    await asyncio.gather(*(system.publish(text(asked), partition=partition) for partition in (3, 3, 4)))
    answers = await system.endings(asked["requestId"], COMPLETED_TOPIC, count=3)
    assert len({(record.value, header(record, "ce_id")) for record in answers}) == 1
    await _has_one_row(system, answers[-1])
    assert system.calls(asked["requestId"]) == 1


async def test_an_id_again_with_other_content_is_a_conflict_and_the_first_answer_stands(system: System) -> None:
    asked = request(userId=await system.known_user())
    await system.publish(text(asked))
    [answer] = await system.endings(asked["requestId"], COMPLETED_TOPIC)
    await system.publish(text({**asked, "input": topic("evening workout")}))
    [record] = await system.endings(asked["requestId"], FAILED_TOPIC)
    told = failure(record)
    assert (told.reason, told.retryable, told.input) == ("conflict", False, topic("evening workout"))
    assert told.metadata.model_extra
    assert "fingerprint" in told.metadata.model_extra
    await _has_one_row(system, answer)
    assert system.calls(asked["requestId"]) == 1


async def test_a_user_that_is_not_there_is_answered_and_its_rows_are_kept_apart(system: System) -> None:
    stranger, neighbour = request(), request(userId=await system.known_user())
    await asyncio.gather(system.publish(text(stranger)), system.publish(text(neighbour)))
    [answer] = await system.endings(stranger["requestId"], COMPLETED_TOPIC)
    [beside] = await system.endings(neighbour["requestId"], COMPLETED_TOPIC)
    kept = await system.letter_about(answer, "history-sink")
    assert kept.reason == "unstorable"
    assert kept.error == (f"user {stranger['userId']} (users.id {user_key(str(stranger['userId']))}) is not in users")
    assert b64decode(kept.value or "") == answer.value
    await _has_one_row(system, beside)
    about = await system.seen.wait_for(
        lambda record: (
            record.topic == DEAD_LETTER_TOPIC
            and letter(record).consumer == f"{system.prefix}.analytics-sink"
            and str(stranger["requestId"]).encode() in b64decode(letter(record).value or "")
        )
    )
    assert letter(about[0]).reason == "unstorable"
    assert not await rows(system.url, "SELECT 1 FROM users WHERE id = $1", user_key(str(stranger["userId"])), until=0)
    assert system.calls(stranger["requestId"]) == 1


async def test_with_unknown_users_create_the_user_gets_its_row(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    asked = request()
    with ExitStack() as running:
        for name in PROCESSES[:2]:
            running.enter_context(worker(name, {**environ, "UNKNOWN_USERS": "create"}, tmp_path))
        async with raw_producer(environ["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
            await producer.send_and_wait(REQUESTED_TOPIC, text(asked))
        [row] = await rows(
            environ["DATABASE_URL"],
            "SELECT * FROM ai_generation_history JOIN users ON users.id = user_id JOIN ai_user_ids USING (user_id)",
            until=1,
        )
    assert (row["user_id"], row["original_id"]) == (user_key(str(asked["userId"])), asked["userId"])
    assert json.loads(row["ai_usage_stats"])["total_generations"] == 1
    assert len(emulator.bill()) == 1


HELD_BY = {
    "an id again, with the same content": test_an_id_again_with_the_same_content_gets_the_same_answer_again,
    "an id twice at once, with the same content": test_an_id_twice_at_once_is_answered_once,
    "an id again, with other content": (test_an_id_again_with_other_content_is_a_conflict_and_the_first_answer_stands),
    "a user that is not in users": test_a_user_that_is_not_there_is_answered_and_its_rows_are_kept_apart,
    "the same, with UNKNOWN_USERS=create": test_with_unknown_users_create_the_user_gets_its_row,
}

EVENTS: dict[str, dict[str, object]] = {
    "a completion without output": {"output": None},
    "U+0000 in an answer": {"output": {"post": "a\0b"}},
    "a completion of a user that is not in users": {"userId": f"u-{uuid4()}"},
}


@pytest.mark.parametrize(("name", "reason", "error"), NO_ROW, ids=[row[0] for row in NO_ROW])
async def test_an_event_that_cannot_become_a_row_is_kept_and_its_neighbours_are_stored(
    system: System, name: str, reason: str, error: str
) -> None:
    good = {**request(userId=await system.known_user()), "output": {"post": "Up with the sun."}}
    values = [
        text(good),
        text(request(**{**good, "requestId": f"r-{uuid4()}", **EVENTS[name]})),
        text({**good, "requestId": f"r-{uuid4()}"}),
    ]
    first, broken, last = await asyncio.gather(
        *(system.producer.send_and_wait(COMPLETED_TOPIC, value, partition=PARTITION) for value in values)
    )
    kept = await system.letter_about(broken, "history-sink")
    assert kept.reason == reason
    assert error in kept.error
    assert b64decode(kept.value or "") == values[1]
    place = {"group": f"{system.prefix}.history-sink", "topic": COMPLETED_TOPIC, "partition": PARTITION}
    await stored_past(system.url, **place, offset=max(first.offset, last.offset))
    query = "SELECT 1 FROM ai_generation_history WHERE user_id = $1::text::uuid"
    assert len(await rows(system.url, query, good["userId"], until=2)) == 2


async def _has_one_row(system: System, record: Any) -> None:
    """The sink has passed the record, and its request has exactly one row, counted once."""
    await stored_past(
        system.url,
        group=f"{system.prefix}.history-sink",
        topic=COMPLETED_TOPIC,
        partition=record.partition,
        offset=record.offset,
    )
    answer = completion(record)
    found = await rows(
        system.url,
        "SELECT ai_usage_stats, metadata FROM ai_generation_history JOIN users ON users.id = user_id WHERE user_id = $1",
        user_key(answer.user_id),
        until=1,
    )
    assert [json.loads(row["metadata"])["requestId"] for row in found] == [answer.request_id]
    assert json.loads(found[0]["ai_usage_stats"])["total_generations"] == 1
