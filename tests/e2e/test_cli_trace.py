"""`fanzgpt trace` and `fanzgpt ledger` on a request that went the whole way."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer

from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_producers.requesting import encode_request
from fanzgpt_schemas.codec import encode
from fanzgpt_schemas.facts import AnalyticsEvent
from fanzgpt_schemas.generation import GenerationCompleted
from fanzgpt_schemas.identity import event_id, request_key, user_key
from fanzgpt_schemas.requesting import new_request
from fanzgpt_schemas.topics import bundled_topics
from fanzgpt_workers.cli import run
from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, Price, Usage
from fanzgpt_workers.core.claims import Claim
from fanzgpt_workers.core.endings import Ending
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.lifecycle.outbox import pack
from fanzgpt_workers.stores.database import Database, open_database
from fanzgpt_workers.stores.migrate import migrate
from fanzgpt_workers.stores.postgres_ledger import PostgresLedger
from fanzgpt_workers.topics.applying import apply_topics
from fanzgpt_workers.topics.cluster import open_cluster
from fanzgpt_workers.tracing.evidence import Evidence, Investigation
from fanzgpt_workers.tracing.scan import open_scan
from fanzgpt_workers.tracing.timeline import missing, timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A request that went some way; each step is taken by its method."""

    request_id: str
    user_id: str
    kafka: str
    database: Database

    @property
    def key(self) -> UUID:
        return request_key(self.user_id, self.request_id)

    async def asked(self) -> Origin:
        """The request is on its topic."""
        request = new_request(
            type="social-post",
            user_id=self.user_id,
            input={"topic": "gym", "platform": "instagram"},
            request_id=self.request_id,
        )
        record = encode_request(request, time=datetime.now(UTC), source="test")
        async with AIOKafkaProducer(bootstrap_servers=self.kafka) as producer:
            sent = await producer.send_and_wait(record.topic, record.value, record.key, headers=list(record.headers))
        return Origin(sent.topic, sent.partition, sent.offset)

    async def answered(self, origin: Origin) -> None:
        """The request is claimed, called for and ended, and its events are published."""
        ledger, attempt = PostgresLedger(self.database, takeover_after=60), uuid4()
        claim = Claim(
            request_key=self.key,
            request_id=self.request_id,
            user_id=self.user_id,
            user_key=user_key(self.user_id),
            generation_type="social-post",
            fingerprint=b"f",
            origin=origin,
            owner=uuid4(),
            term=1,
        )
        await ledger.claim([claim])
        started = AttemptStarted(
            attempt_id=attempt,
            request_key=self.key,
            epoch=1,
            ordinal=1,
            provider="openai",
            model="gpt-4o-mini",
            cause="first",
        )
        await ledger.start_attempts([started])
        settled = AttemptEnded(
            attempt_id=attempt,
            outcome="ok",
            usage=Usage(input=100, output=20),
            price=Price(usd=Decimal("0.000027"), version="1"),
            finish_reason="stop",
            latency_ms=200,
        )
        now = datetime.now(UTC)
        answer = GenerationCompleted(
            request_id=self.request_id,
            user_id=self.user_id,
            type="social-post",
            input={},
            output={"post": "secret text"},
        )
        fact = AnalyticsEvent(user_id=self.user_id, event="generation-completed", data={})
        events = [
            encode(answer, event_id=event_id(self.key, "completed"), time=now, source="test"),
            encode(fact, event_id=event_id(self.key, "analytics"), time=now, source="test"),
        ]
        ending = Ending(request_key=self.key, epoch=1, state="completed", outbox=pack(events), settles=settled)
        await ledger.finish([ending])
        async with KafkaPublisher(self.kafka) as publisher:
            await publisher.publish(events)
        await ledger.mark_published([self.key])

    async def stored(self) -> None:
        """The sinks have made their rows."""
        user = user_key(self.user_id)
        async with self.database.connection() as connection:
            await connection.execute("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING", user)
            await connection.execute(
                "INSERT INTO ai_generation_history (id, user_id, generation_type, input_data, output_data)"
                " VALUES ($1, $2, 'social-post', '{}', '{}')",
                event_id(self.key, "completed"),
                user,
            )
            await connection.execute(
                "INSERT INTO ai_analytics (id, user_id, event_type, event_data) VALUES ($1, $2, 'x', '{}')",
                event_id(self.key, "analytics"),
                user,
            )

    async def found(self) -> Evidence:
        """What an investigation finds."""
        async with open_scan(self.kafka) as scan:
            investigation = Investigation(scan=scan, database=self.database)
            since = datetime.now(UTC) - timedelta(hours=1)
            (evidence,) = await investigation.look_up(self.request_id, since=since)
        return evidence


@pytest.fixture
async def course(kafka_bootstrap: str, database_url: str) -> AsyncIterator[Course]:
    migrate(database_url)
    async with open_cluster(kafka_bootstrap) as cluster:
        await apply_topics(cluster, bundled_topics())
    async with await open_database(database_url, size=2) as database:
        yield Course(
            request_id=f"traced-{uuid4()}", user_id=f"user-{uuid4()}", kafka=kafka_bootstrap, database=database
        )


def whats(evidence: Evidence) -> list[str]:
    return [moment.what for moment in timeline(evidence)]


async def test_the_whole_way_is_told_in_order_and_nothing_is_missing(course: Course) -> None:
    await course.answered(await course.asked())
    await course.stored()
    evidence = await course.found()
    assert missing(evidence) == []
    told = whats(evidence)
    assert told[:5] == ["requested", "claimed", "called", "answered", "ended"]
    assert sorted(told[5:]) == ["published", "record", "record", "row", "row"]
    assert {record.origin.topic for record in evidence.records} == {
        "ai.generation.requested",
        "ai.generation.completed",
        "ai.analytics.event",
    }


async def test_what_is_not_there_yet_is_named(course: Course) -> None:
    await course.answered(await course.asked())
    assert missing(await course.found()) == [
        "no row of its event on ai.generation.completed yet",
        "no row of its event on ai.analytics.event yet",
    ]


async def test_a_request_that_nobody_took_up_is_found_on_its_topic(course: Course) -> None:
    await course.asked()
    evidence = await course.found()
    assert evidence.report is None
    assert whats(evidence) == ["requested"]


async def test_people_and_programs_are_told_without_anybodys_texts(
    course: Course, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await course.answered(await course.asked())
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", course.kafka)
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert await asyncio.to_thread(run, ["trace", course.request_id]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{course.request_id} of {course.user_id}: social-post, completed\n")
    assert "call 1: ok, 100 + 20 tokens, 0.000027 USD, 200 ms, stop" in told
    assert "secret text" not in told
    assert await asyncio.to_thread(run, ["trace", course.request_id, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "completed"
    assert await asyncio.to_thread(run, ["trace", "never-asked", "--hours", "0"]) == 1
    assert "nothing is known of a request 'never-asked'" in capsys.readouterr().err


async def test_the_ledger_is_summed_and_pruned_from_the_command_line(
    course: Course, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await course.answered(await course.asked())
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert await asyncio.to_thread(run, ["ledger", "sum", "--by", "user", "-o", "json"]) == 0
    (mine,) = [one for one in json.loads(capsys.readouterr().out) if one["group"] == course.user_id]
    assert (mine["requests"], mine["attempts"], mine["inputTokens"], mine["outputTokens"]) == (1, 1, 100, 20)
    assert Decimal(mine["costUsd"]) == Decimal("0.000027")
    assert await asyncio.to_thread(run, ["ledger", "show", course.request_id]) == 0
    assert "call 1: openai gpt-4o-mini (first)" in capsys.readouterr().out
    assert await asyncio.to_thread(run, ["ledger", "show", "never-asked"]) == 1
    assert await asyncio.to_thread(run, ["ledger", "unknown"]) == 0
    assert await asyncio.to_thread(run, ["ledger", "prune", "--older-than-days", "30"]) == 0
    assert "--yes does it" in capsys.readouterr().out
