"""Answers that are watched while they are made: over real servers, from a provider that streams, to an HTTP client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from tests.conftest import database
from tests.e2e.event_streams import Event, streamed, text_of
from tests.e2e.gateways import KEY, Caller, RunningGateway, gateway, request_id, token, until
from tests.e2e.processes import settings, worker
from tests.e2e.topics import begin_here

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator

POST = "/api/v1/content/social-post"
STARTERS = "/api/v1/chat/starters"
FIELDS = {"topic": "morning workout", "platform": "instagram"}
PIECES = 16
BETWEEN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A worker that blocks a term, a provider that takes most of a second to say its answer, and two gateways."""

    gateways: tuple[RunningGateway, RunningGateway]
    emulator: RunningEmulator
    session: aiohttp.ClientSession
    database_url: str

    def caller(self, presented: str = KEY, *, at: int = 0) -> Caller:
        return Caller(self.gateways[at].url, presented, self.session)

    async def attempts(self, request: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database_url)
        try:
            return list(
                await connection.fetch(
                    "SELECT a.* FROM ai_attempts a JOIN ai_requests USING (request_key) "
                    "WHERE request_id = $1 AND a.outcome IS NOT NULL ORDER BY ordinal",
                    request,
                )
            )
        finally:
            await connection.close()


@pytest.fixture(scope="module")
async def house(
    endpoints: dict[str, str], migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with (
        database(endpoints["DATABASE_URL"], template=migrated_template) as url,
        running_emulator(
            folder / "bill.jsonl", stream_interval=f"{round(BETWEEN * 1000)}ms", stream_chunks=PIECES
        ) as emulator,
        ExitStack() as running,
    ):
        environ = {**settings(endpoints, url, emulator), "BLOCKED_TERMS": "forbidden thing"}
        await begin_here(environ["KAFKA_BOOTSTRAP_SERVERS"], environ["KAFKA_GROUP_PREFIX"])
        running.enter_context(worker("generation", environ, folder))
        gateways = tuple(running.enter_context(gateway(environ, folder)) for _ in range(2))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield House(gateways=(gateways[0], gateways[1]), emulator=emulator, session=session, database_url=url)


@pytest.fixture(autouse=True)
def _unscripted(house: House) -> None:
    house.emulator.clear()


def names(events: list[Event]) -> list[str]:
    """The events' names, runs of the same as one."""
    found: list[str] = []
    for event in events:
        if not found or found[-1] != event.name:
            found.append(event.name)
    return found


async def test_an_answer_is_shown_as_it_is_made_and_ends_with_the_whole_of_it(house: House) -> None:
    asked = request_id()
    loop = asyncio.get_running_loop()
    times: list[float] = []
    events: list[Event] = []
    async with streamed(house.caller(), POST, {"userId": "u", **FIELDS}, X_Request_ID=asked) as stream:
        assert stream.response.status == 200
        assert stream.response.content_type == "text/event-stream"
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        assert stream.response.headers["X-Request-ID"] == asked
        assert "RateLimit-Remaining" in stream.response.headers
        async for event in stream:
            events.append(event)
            times.append(loop.time())
    assert names(events) == ["accepted", "delta", "completed"]
    assert events[0].data == {"requestId": asked, "status": "pending"}
    whole = events[-1].data
    assert whole["requestId"] == asked
    assert whole["usage"]["tokens"]["output"] > 0
    assert whole["post"].startswith(text_of(events))
    deltas = [event for event in events if event.name == "delta"]
    assert len(deltas) > PIECES / 3
    assert all(event.id for event in deltas)
    # The first words came while most of the answer was still to be made.
    assert times[-1] - times[1] > PIECES * BETWEEN / 2
    (line,) = house.emulator.bill()
    assert line["stream"]


async def test_who_asks_as_ever_is_answered_as_ever(house: House) -> None:
    reply = await house.caller().post(POST, {"userId": "u", **FIELDS})
    assert reply.status == 200
    assert not house.emulator.bill()[0]["stream"]


async def test_a_json_answer_is_shown_whole(house: House) -> None:
    async with streamed(house.caller(), STARTERS, {"count": 3}) as stream:
        events = await stream.all()
    assert names(events) == ["accepted", "completed"]
    assert len(events[-1].data["starters"]) == 3


async def test_what_is_refused_before_it_begins_is_refused_as_ever(house: House) -> None:
    async with streamed(house.caller("wrong"), POST, FIELDS) as stream:
        assert stream.response.status == 401
        assert stream.response.content_type == "application/json"
    async with streamed(house.caller(), POST, {"userId": "u"}) as stream:
        assert stream.response.status == 400
    async with streamed(house.caller(), f"{POST}?onDisconnect=explode", {"userId": "u", **FIELDS}) as stream:
        assert (await stream.response.json())["violations"][0]["field"] == "onDisconnect"


async def test_a_blocked_term_that_is_split_over_pieces_never_leaves(house: House) -> None:
    text = "It was a bright and quiet morning by the sea, and then a forbidden thing was said aloud by somebody else."
    house.emulator.script([{"action": {"do": "say", "text": text}}])
    async with streamed(house.caller(), POST, {"userId": "u", **FIELDS}) as stream:
        events = await stream.all()
    assert names(events) == ["accepted", "delta", "failed"]
    assert text_of(events) == text[: len(text_of(events))]
    assert "forb" not in text_of(events)
    assert events[-1].data["status"] == 400
    assert events[-1].data["message"] == "Content contains blocked terms"


async def test_a_lost_connection_resumes_at_another_replica_where_it_was(house: House) -> None:
    asked, body = request_id(), {"userId": "u", **FIELDS}
    seen: list[Event] = []
    async with streamed(house.caller(), POST, body, X_Request_ID=asked) as stream:
        async for event in stream:
            seen.append(event)
            if len(seen) == 4:
                break
    after = str(seen[-1].id)
    async with streamed(house.caller(at=1), POST, body, X_Request_ID=asked, Last_Event_ID=after) as stream:
        rest = await stream.all()
    read = f"/api/v1/requests/{asked}?userId=u"
    async with streamed(house.caller(at=1), read, method="GET", Last_Event_ID=after) as stream:
        again = await stream.all()
    assert names(rest) == ["accepted", "delta", "completed"]
    shown = text_of([*seen, *rest])
    assert rest[-1].data["post"].startswith(shown)
    assert len(shown) > len(text_of(seen))
    assert text_of([*seen, *again]) == shown[: len(text_of([*seen, *again]))]
    assert again[-1].data == rest[-1].data
    assert len(house.emulator.bill()) == 1


async def test_a_request_is_watched_by_its_id_from_its_beginning(house: House) -> None:
    user = f"user-{uuid4().hex[:8]}"
    caller = house.caller(token({"userId": user}))
    told = await caller.post(POST, FIELDS, Prefer="respond-async")
    assert told.status == 202
    async with streamed(caller, told.headers["Location"], method="GET") as stream:
        events = await stream.all()
    assert names(events)[0] == "accepted"
    assert events[-1].name == "completed"
    other = house.caller(token({"userId": "somebody"}))
    async with streamed(other, told.headers["Location"], method="GET") as stream:
        assert stream.response.status == 404


@pytest.mark.parametrize("choice", ["continue", "cancel"])
async def test_who_leaves_lets_the_answer_run_or_cancels_it(house: House, choice: str) -> None:
    asked = request_id()
    leaving = {"X_On_Disconnect": choice}
    async with streamed(house.caller(), POST, {"userId": "u", **FIELDS}, X_Request_ID=asked, **leaving) as stream:
        async for event in stream:
            if event.name == "delta":
                break

    async def ended() -> str | None:
        view = (await house.caller(at=1).get(f"/api/v1/requests/{asked}?userId=u")).body
        return None if view["status"] == "pending" else str(view["status"])

    assert await until(ended) == {"continue": "completed", "cancel": "cancelled"}[choice]
    (attempt,) = await house.attempts(asked)
    if choice == "cancel":
        assert attempt["outcome"] == "cancelled"
        assert "estimated" in attempt["detail"]
        assert attempt["output_tokens"] > 0
        assert attempt["cost_usd"] is None or attempt["cost_usd"] > Decimal(0)


@pytest.mark.parametrize(
    "fault", [{"do": "stream", "fault": "no-end", "after_chunks": 9}, {"do": "cut", "after_chunks": 9}]
)
async def test_a_stream_that_is_cut_is_never_completed_and_begins_again(house: House, fault: dict[str, object]) -> None:
    house.emulator.script([{"action": fault, "times": 1}])
    asked = request_id()
    async with streamed(house.caller(), POST, {"userId": "u", **FIELDS}, X_Request_ID=asked) as stream:
        events = await stream.all()
    assert names(events) == ["accepted", "delta", "restart", "delta", "completed"]
    assert events[-1].data["post"].startswith(text_of(events))
    first, second = await house.attempts(asked)
    assert (first["outcome"], second["outcome"]) == ("cut", "ok")
    assert "estimated" in first["detail"]
    assert 0 < first["output_tokens"] < second["output_tokens"]


async def test_a_stream_that_is_always_cut_fails(house: House) -> None:
    house.emulator.script([{"action": {"do": "stream", "fault": "no-end", "after_chunks": 2}}])
    async with streamed(house.caller(), POST, {"userId": "u", **FIELDS}) as stream:
        events = await stream.all()
    assert events[-1].name == "failed"
    assert (events[-1].data["status"], events[-1].data["reason"]) == (502, "provider")


async def test_two_hundred_streams_at_once_are_each_their_own(house: House) -> None:
    async def one(number: int) -> None:
        user, asked = f"user-{number % 7}", request_id()
        caller = house.caller(token({"userId": user}), at=number % 2)
        async with streamed(caller, POST, {**FIELDS, "topic": f"topic {number}"}, X_Request_ID=asked) as stream:
            events = await stream.all()
        assert events[-1].name == "completed"
        assert events[-1].data["requestId"] == asked
        assert events[-1].data["post"].startswith(text_of(events))

    await asyncio.gather(*(one(number) for number in range(200)))


async def test_a_drain_tells_who_watches_where_the_answer_will_be(
    house: House, endpoints: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("drained")
    environ = settings(endpoints, house.database_url, house.emulator)
    house.emulator.script([{"action": {"do": "slow", "seconds": "3s"}}])
    with gateway(environ, folder, GATEWAY_DRAIN_SECONDS="0") as going:
        caller, asked = Caller(going.url, KEY, house.session), request_id()
        async with streamed(caller, POST, {"userId": "u", **FIELDS}, X_Request_ID=asked) as stream:
            events = []
            async for event in stream:
                events.append(event)
                if event.name == "accepted":
                    going.process.terminate()
        assert names(events) == ["accepted", "pending"]
        assert events[-1].data["location"] == f"/api/v1/requests/{asked}?userId=u"
