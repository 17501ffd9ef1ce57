"""`fanzgpt dlq` as a person uses it, on letters that real processes wrote."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from tests.e2e.processes import FANZGPT, PROCESSES, worker
from tests.e2e.rows import execute, rows
from tests.e2e.topics import Onlooker, completion, header, onlooker, raw_producer

from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_schemas.events import COMPLETED_TOPIC, DEAD_LETTER_TOPIC, FAILED_TOPIC, REQUESTED_TOPIC
from fanzgpt_schemas.identity import derived_request_id, record_event_id
from fanzgpt_stack.emulator.testing import RunningEmulator
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.publishing.dead_letters import DeadLetters
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Some processes, and a person at the command line."""

    environ: dict[str, str]
    producer: AIOKafkaProducer
    seen: Onlooker

    def group(self, process: str) -> str:
        return f"{self.environ['KAFKA_GROUP_PREFIX']}.{process}"

    async def dlq(self, *arguments: str, code: int = 0) -> str:
        """What a subcommand prints."""
        process = await asyncio.create_subprocess_exec(
            *(FANZGPT, "dlq", *arguments),
            env=self.environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == code, (arguments, out, err)
        return (out if code == 0 else out + err).decode()

    async def listed(self, process: str, *options: str) -> list[dict[str, Any]]:
        """The letters of a process, as `ls` tells them."""
        told: list[dict[str, Any]] = json.loads(
            await self.dlq("ls", "--consumer", self.group(process), "-o", "json", *options)
        )
        return told

    async def set_aside(self, process: str, *, count: int = 1) -> None:
        """Return once the process has set so many records aside."""
        group = self.group(process).encode()
        await self.seen.wait_for(
            lambda record: record.topic == DEAD_LETTER_TOPIC and b'"consumer":"%b"' % group in record.value, count=count
        )


@pytest.fixture
async def system(environ: dict[str, str], tmp_path: Path) -> AsyncIterator[System]:
    bootstrap = environ["KAFKA_BOOTSTRAP_SERVERS"]
    chosen = {**environ, "UNKNOWN_USERS": "dead-letter"}
    with ExitStack() as running:
        for name in PROCESSES[:2]:
            running.enter_context(worker(name, chosen, tmp_path))
        async with (
            raw_producer(bootstrap) as producer,
            onlooker(bootstrap, COMPLETED_TOPIC, FAILED_TOPIC, DEAD_LETTER_TOPIC) as seen,
        ):
            yield System(environ=chosen, producer=producer, seen=seen)


async def test_a_request_is_mended_and_sent_again_under_its_own_name_and_paid_once(
    system: System, emulator: RunningEmulator, tmp_path: Path
) -> None:
    user = str(uuid4())
    await execute(system.environ["DATABASE_URL"], "INSERT INTO users (id) VALUES ($1::text::uuid)", user)
    asked = {"userId": user, "type": "social-post", "input": {"topic": "gym"}}
    sent = json.dumps(asked).encode()
    place = await system.producer.send_and_wait(REQUESTED_TOPIC, sent, headers=[("traceparent", b"00-x")])
    await system.set_aside("generation")
    [told] = await system.listed("generation")
    name, request_id = told["letter"], derived_request_id(place.topic, place.partition, place.offset)
    assert (told["reason"], told["requestId"], told["state"], told["whole"]) == ("invalid", request_id, "open", True)

    table = await system.dlq("ls", "--consumer", system.group("generation"), "--topic", REQUESTED_TOPIC)
    assert table.splitlines()[0].split()[:2] == ["LETTER", "SET"]
    assert table.splitlines()[1].startswith(name)
    shown = await system.dlq("show", name)
    assert "input.platform: Field required" in shown
    assert f"record    {place.topic}/{place.partition}/{place.offset}" in shown
    assert json.dumps(asked) in shown
    assert (await system.dlq("show", name, "--raw")).encode() == sent

    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps({**asked, "input": {"topic": "gym", "platform": "x"}}))
    assert "--yes does it" in await system.dlq("redrive", name, "--value", str(mended))
    assert not emulator.bill()
    for _ in range(3):
        assert "1 letter redriven" in await system.dlq("redrive", name, "--value", str(mended), "--yes")
    answers = await system.seen.wait_for(
        lambda record: record.topic == COMPLETED_TOPIC and header(record, "request_id") == request_id, count=3
    )
    assert len({(record.value, header(record, "ce_id")) for record in answers}) == 1
    assert completion(answers[0]).request_id == request_id
    assert [line["request_id"] for line in emulator.bill()] == [request_id]
    query = "SELECT 1 FROM ai_generation_history WHERE user_id = $1::text::uuid"
    assert len(await rows(system.environ["DATABASE_URL"], query, user, until=1)) == 1

    assert await system.listed("generation") == []
    [known] = await system.listed("generation", "--all")
    assert (known["state"], known["times"]) == ("redriven", 3)


async def test_rows_that_were_refused_are_stored_once_their_user_is_there(system: System) -> None:
    user = str(uuid4())
    told = {"userId": user, "type": "social-post", "input": {}, "output": {"post": "Up."}}
    places = [
        await system.producer.send_and_wait(COMPLETED_TOPIC, json.dumps(told).encode(), key)
        for key in (None, user.encode())
    ]
    await system.set_aside("history-sink", count=2)
    selected = ("--consumer", system.group("history-sink"), "--reason", "unstorable")
    assert (await system.dlq("redrive", *selected)).endswith("2 letters; --yes does it\n")
    url = system.environ["DATABASE_URL"]
    await execute(url, "INSERT INTO users (id) VALUES ($1::text::uuid)", user)
    assert json.loads(await system.dlq("redrive", *selected, "--yes", "-o", "json"))["refused"] == []
    assert await system.dlq("redrive", *selected, "--yes") == "0 letters redriven\n"
    names = [one["letter"] for one in await system.listed("history-sink", "--all")]
    assert await system.dlq("redrive", *names, "--yes") == "2 letters redriven\n"
    found = await rows(url, "SELECT id FROM ai_generation_history WHERE user_id = $1::text::uuid", user, until=2)
    assert {row["id"] for row in found} == {
        record_event_id(place.topic, place.partition, place.offset) for place in places
    }
    [counted] = await rows(url, "SELECT ai_usage_stats FROM users WHERE id = $1::text::uuid", user, until=1)
    assert json.loads(counted["ai_usage_stats"])["total_generations"] == 2


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


async def test_letters_are_discarded_with_a_note_and_half_a_record_is_never_sent(
    endpoints: dict[str, str], migrated_database_url: str
) -> None:
    environ = {**endpoints, "DATABASE_URL": migrated_database_url, "KAFKA_GROUP_PREFIX": f"test-{uuid4().hex[:8]}"}
    async with (
        KafkaPublisher(endpoints["KAFKA_BOOTSTRAP_SERVERS"]) as publisher,
        raw_producer(endpoints["KAFKA_BOOTSTRAP_SERVERS"]) as producer,
        onlooker(endpoints["KAFKA_BOOTSTRAP_SERVERS"], DEAD_LETTER_TOPIC) as seen,
    ):
        system = System(environ=environ, producer=producer, seen=seen)
        group = system.group("elsewhere")
        letters = DeadLetters(Publication(publisher, away=_never), consumer=group, clock=SystemClock())
        topic = f"gone-{uuid4()}"
        for offset, value in enumerate((b"x" * 3_500_000, b"whole", b"whole")):
            for _ in range(2):  # a worker that died may write a letter twice
                await letters.send(Record(Origin(topic, 0, offset), 0, None, value, ()), reason="invalid", error="e")
        listed = await system.listed("elsewhere")
        assert [(one["offset"], one["whole"], one["valueBytes"]) for one in listed] == [
            (0, False, 3_500_000),
            (1, True, 5),
            (2, True, 5),
        ]
        half, gone, unwanted = (one["letter"] for one in listed)
        told = await system.dlq("redrive", half, gone, "--yes", code=1)
        assert "0 letters redriven" in told
        assert "of 3,500,000 bytes: ask its sender to publish it again" in told
        assert f"came from {topic}, a topic that is no longer there" in told
        assert "1 letter; --yes does it" in await system.dlq("discard", unwanted)
        assert len(await system.listed("elsewhere")) == 3
        await system.dlq("discard", unwanted, "--note", "a test of ours", "--yes")
        assert [one["letter"] for one in await system.listed("elsewhere")] == [half, gone]
        assert "discarded at" in (shown := await system.dlq("show", unwanted))
        assert "1 times: a test of ours" in shown
        assert "no dead letter 0/999999999, or no longer" in await system.dlq("show", "0/999999999", code=2)
        assert "names no dead letter" in await system.dlq("show", "latest", code=2)
        assert "no dead letter 99/0" in await system.dlq("show", "99/0", code=2)


def _never(error: Exception) -> None:
    raise AssertionError(error)
