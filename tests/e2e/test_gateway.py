"""The front door, with everything behind it: an HTTP client that knows the contract alone gets its answers."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.conftest import database
from tests.e2e.gateways import KEY, Caller, Reply, RunningGateway, gateway, request_id, token
from tests.e2e.processes import settings, worker
from tests.e2e.topics import begin_here
from tests.e2e.waiting import beside

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator

Json = dict[str, Any]

CALLS: dict[str, tuple[Json, str]] = {
    "/api/v1/content/social-post": ({"topic": "morning workout", "platform": "instagram"}, "post"),
    "/api/v1/content/personalized-message": (
        {"recipientId": "fan-1", "context": "thanks for the tip", "relationship": "subscriber"},
        "message",
    ),
    "/api/v1/chat/response": ({"message": "how was your day?", "history": []}, "response"),
    "/api/v1/chat/starters": ({"count": 3}, "starters"),
    "/api/v1/creator/content-calendar": ({"timeframe": "3 days", "preferences": {"tone": "warm"}}, "calendar"),
    "/api/v1/creator/performance-analysis": ({"timeframe": "last week"}, "analysis"),
}
POST, POST_FIELDS = "/api/v1/content/social-post", CALLS["/api/v1/content/social-post"][0]
CROSSED = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A worker that blocks a term, a provider of 50 ms, and two gateways."""

    gateways: tuple[RunningGateway, RunningGateway]
    environ: Json
    emulator: RunningEmulator
    session: aiohttp.ClientSession

    def caller(self, presented: str | None = KEY, *, at: int = 0) -> Caller:
        return Caller(self.gateways[at].url, presented, self.session)

    def billed(self, request: str) -> int:
        return sum(line["request_id"] == request for line in self.emulator.bill())


@pytest.fixture(scope="module")
async def house(
    endpoints: dict[str, str], migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with (
        database(endpoints["DATABASE_URL"], template=migrated_template) as url,
        running_emulator(folder / "bill.jsonl", latency="50ms") as emulator,
        ExitStack() as running,
    ):
        environ = {**settings(endpoints, url, emulator), "BLOCKED_TERMS": "forbidden thing"}
        await begin_here(environ["KAFKA_BOOTSTRAP_SERVERS"], environ["KAFKA_GROUP_PREFIX"])
        running.enter_context(worker("generation", environ, folder))
        gateways = tuple(running.enter_context(gateway(environ, folder, LOG_LEVEL="debug")) for _ in range(2))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield House(gateways=(gateways[0], gateways[1]), environ=environ, emulator=emulator, session=session)


def new_user() -> str:
    return f"user-{uuid4().hex[:8]}"


@pytest.mark.parametrize("path", CALLS)
async def test_a_service_is_answered_with_the_contracts_field(house: House, path: str) -> None:
    fields, answer = CALLS[path]
    asked = request_id()
    reply = await house.caller().post(path, {"userId": "test-user-1", **fields}, X_Request_ID=asked)
    assert reply.status == 200, reply.body
    assert answer in reply.body
    assert reply.headers["X-Request-ID"] == reply.body["requestId"] == asked
    assert reply.body["usage"]["provider"] == "openai"
    assert reply.body["usage"]["tokens"]["output"] > 0
    if answer == "starters":
        assert len(reply.body["starters"]) == 3


@pytest.mark.parametrize("path", CALLS)
async def test_a_browser_is_answered_by_its_token_alone(house: House, path: str) -> None:
    fields, answer = CALLS[path]
    caller = house.caller(token({"userId": new_user()}))
    reply = await caller.post(path, fields)
    assert reply.status == 200, reply.body
    assert answer in reply.body
    assert (await caller.get(f"/api/v1/requests/{reply.headers['X-Request-ID']}")).body["status"] == "completed"


async def test_five_starters_are_made_where_no_count_is_given(house: House) -> None:
    reply = await house.caller().post("/api/v1/chat/starters", {})
    assert len(reply.body["starters"]) == 5


@pytest.mark.parametrize(
    ("path", "fields", "switch"),
    [
        (
            "/api/v1/media/analyze-image",
            {"imageUrl": "https://images.example/a.jpg", "analysisType": "mood"},
            "FEATURE_IMAGE_ANALYSIS",
        ),
        ("/api/v1/voice/synthesize", {"text": "good morning", "voice": "alloy"}, "FEATURE_VOICE_PROCESSING"),
    ],
)
async def test_a_feature_that_is_switched_off_answers_with_its_switch(
    house: House, path: str, fields: Json, switch: str
) -> None:
    reply = await house.caller().post(path, fields)
    assert (reply.status, reply.body["error"]) == (403, "Feature disabled")
    assert switch in reply.body["message"]


async def test_blocked_terms_are_refused_in_the_contracts_words(house: House) -> None:
    body = {"userId": new_user(), "topic": "a F\u200bORBIDDEN thing", "platform": "x"}
    reply = await house.caller().post(POST, body)
    assert reply.status == 400
    assert reply.body == {"error": "Content violation", "message": "Content contains blocked terms"}


@pytest.mark.parametrize(
    ("presented", "status", "words"),
    [
        (None, 401, {"error": "Authentication required", "message": "No token provided"}),
        ("wrong", 401, {"error": "Invalid token", "message": "Authentication failed"}),
        (token({"userId": "u"}, secret="x" * 40), 401, {"error": "Invalid token", "message": "Authentication failed"}),
        (
            token({"userId": "u", "permissions": []}),
            403,
            {"error": "Insufficient permissions", "message": "AI features not enabled for this user"},
        ),
    ],
)
async def test_whoever_may_not_come_in_is_told_so_before_anything_is_read(
    house: House, presented: str | None, status: int, words: Json
) -> None:
    caller = house.caller(presented)
    for reply in (await caller.post(POST, b"{"), await caller.get("/api/v1/requests/x"), await caller.get("/api/v1/x")):
        assert (reply.status, reply.body) == (status, words)


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (POST, b"{", "(body): is not JSON"),
        (POST, [], "(body)"),
        (POST, {"userId": "u", "platform": "x"}, "topic: Field required"),
        (POST, {"topic": "t", "platform": "x"}, "userId: Field required"),
        (POST, {"userId": "u", **POST_FIELDS, "plattform": "x"}, "plattform: is no field of the contract"),
        (POST, {"userId": "u", "topic": "a\0b", "platform": "x"}, "topic: holds U+0000"),
        (POST, {"userId": "u", **POST_FIELDS, "options": {"temperature": 9}}, "options.temperature"),
        (POST, {"userId": "u", "topic": {}, "platform": "x"}, "topic"),
        (POST, {"userId": "u\0", **POST_FIELDS}, "userId: holds U+0000"),
        (POST, b'{"userId":"\\ud800","topic":"t","platform":"x"}', "userId"),
        (POST, b'{"userId":"u","topic":"\\ud800","platform":"x"}', "topic"),
        (POST, b'{"userId":"u","topic":"t","platform":"x","options":{"tone":["\\ud800"]}}', "surrogates"),
        (POST, b'{"userId":"u","topic":"t","platform":"x","options":{"tone":1e999}}', "options"),
        (POST, b'{"userId":"u","topic":"t","platform":"x","options":{"tone":1' + b"0" * 400 + b"}}", "64-bit"),
        (POST, b"[" * 40, "nested more than 32 levels deep"),
        ("/api/v1/chat/starters", {"count": 0}, "count"),
        ("/api/v1/chat/starters", {"count": 21}, "count"),
        ("/api/v1/media/analyze-image", {"imageUrl": "file:///etc/passwd", "analysisType": "x"}, "imageUrl"),
    ],
)
async def test_a_wrong_body_is_told_field_by_field(house: House, path: str, body: object, told: str) -> None:
    reply = await house.caller().post(path, body)
    assert (reply.status, reply.body["error"]) == (400, "Invalid request")
    assert told in reply.body["message"]
    assert all(f"{each['field']}: {each['reason']}" in reply.body["message"] for each in reply.body["violations"])


async def test_what_there_is_not_is_told_in_the_same_shape(house: House) -> None:
    caller = house.caller()
    for reply, status in ((await caller.get("/api/v1/poems"), 404), (await caller.get(POST), 405)):
        assert (reply.status, reply.body.keys()) == (status, {"error", "message"})


async def test_the_same_request_again_is_the_same_answer_and_is_paid_once(house: House) -> None:
    body, asked = {"userId": new_user(), **POST_FIELDS}, request_id()
    first = await house.caller().post(POST, body, X_Request_ID=asked)
    again = await house.caller(at=1).post(POST, body, Idempotency_Key=f'"{asked}"')
    assert first.status == again.status == 200
    assert first.body == again.body
    assert house.billed(asked) == 1


async def test_who_asks_again_while_the_first_call_waits_joins_it(house: House) -> None:
    body, asked = {"userId": new_user(), **POST_FIELDS}, request_id()
    replies = await asyncio.gather(
        *(house.caller(at=number % 2).post(POST, body, X_Request_ID=asked) for number in range(6))
    )
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body["post"] for reply in replies}) == 1
    assert house.billed(asked) == 1


async def test_other_content_under_a_used_id_is_refused_and_nobody_elses_answer(house: House) -> None:
    user, asked = new_user(), request_id()
    await house.caller().post(POST, {"userId": user, **POST_FIELDS}, X_Request_ID=asked)
    reply = await house.caller().post(POST, {"userId": user, "topic": "other", "platform": "x"}, X_Request_ID=asked)
    assert (reply.status, reply.body["error"], reply.body["reason"]) == (422, "Request id conflict", "conflict")


@pytest.mark.parametrize("asked", ["!", "a/b?c#d%e", "~" * 128, "1764000000000-k3j9x2m1q"])
async def test_any_safe_id_is_taken_and_found_again(house: House, asked: str) -> None:
    caller = house.caller(token({"userId": new_user()}))
    reply = await caller.post(POST, POST_FIELDS, X_Request_ID=asked)
    assert (reply.status, reply.body["requestId"]) == (200, asked)
    assert (await caller.get(f"/api/v1/requests/{quote(asked, safe='')}")).body["output"] == {
        "post": reply.body["post"]
    }


@pytest.mark.parametrize("asked", ["~" * 129, "a b", "é"])
async def test_an_unsafe_id_is_refused_rather_than_replaced(house: House, asked: str) -> None:
    reply = await house.caller().post(POST, {"userId": "u", **POST_FIELDS}, X_Request_ID=asked)
    assert (reply.status, reply.body["error"]) == (400, "Invalid request")


async def test_a_call_that_waits_long_enough_is_told_where_its_answer_will_be(house: House) -> None:
    caller = house.caller(token({"userId": new_user()}), at=1)
    asked = request_id()
    reply = await caller.post(POST, POST_FIELDS, X_Request_ID=asked, Prefer="wait=0")
    assert (reply.status, reply.headers["Location"]) == (202, f"/api/v1/requests/{asked}")
    assert reply.body["requestId"] == asked
    read = await ended(caller, reply.headers["Location"])
    assert read["status"] == "completed"
    assert read["output"]["post"]
    assert read["createdAt"] <= read["endedAt"]


async def ended(caller: Caller, location: str, *, seconds: float = 20) -> Json:
    """A request by its id, once it has ended; until then it is pending and never unknown."""
    end = time.monotonic() + seconds
    while True:
        reply = await caller.get(location)
        assert reply.status == 200, reply.body
        if reply.body["status"] != "pending":
            return dict(reply.body)
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_another_users_request_is_answered_as_an_unknown_one(house: House) -> None:
    mine, other = (house.caller(token({"userId": new_user()})) for _ in range(2))
    asked = request_id()
    await mine.post(POST, POST_FIELDS, X_Request_ID=asked)
    for method in ("GET", "DELETE"):
        theirs = await other.call(method, f"/api/v1/requests/{asked}")
        unknown = await other.call(method, f"/api/v1/requests/{request_id()}")
        assert (theirs.status, theirs.body) == (unknown.status, unknown.body)
        assert theirs.status == 404
    assert (await other.get(f"/api/v1/requests/{asked}?userId=somebody")).status == 403


async def test_a_service_reads_everybodys_requests_and_names_whose_where_ids_meet(house: House) -> None:
    users, asked = [new_user(), new_user()], request_id()
    service = house.caller()
    await service.post(POST, {"userId": users[0], **POST_FIELDS}, X_Request_ID=asked)
    assert (await service.get(f"/api/v1/requests/{asked}")).body["userId"] == users[0]
    await service.post(POST, {"userId": users[1], **POST_FIELDS}, X_Request_ID=asked)
    assert (await service.get(f"/api/v1/requests/{asked}")).status == 400
    for user in users:
        assert (await service.get(f"/api/v1/requests/{asked}?userId={user}")).body["userId"] == user


async def test_a_wish_to_cancel_is_taken_for_what_has_not_ended(house: House) -> None:
    caller = house.caller(token({"userId": new_user()}))
    reply = await caller.post(POST, POST_FIELDS, Prefer="respond-async")
    wish = await caller.delete(reply.headers["Location"])
    assert (wish.status, wish.body["status"]) == (202, "cancel-requested")
    await ended(caller, reply.headers["Location"])
    late = await caller.delete(reply.headers["Location"])
    assert (late.status, late.body["error"]) == (409, "Request ended")


async def test_a_request_that_failed_is_read_with_its_reason(house: House) -> None:
    caller = house.caller()
    reply = await caller.post("/api/v1/voice/synthesize", {"userId": new_user(), "text": "hi", "voice": "alloy"})
    read = await caller.get(f"/api/v1/requests/{reply.headers['X-Request-ID']}")
    assert (read.body["status"], read.body["reason"], read.body["error"]) == (
        "rejected",
        "rejected",
        "Feature disabled",
    )


async def test_of_many_calls_at_once_each_gets_its_own_answer(house: House) -> None:
    """Users share their request ids, and each asks at both gateways: only user, id and content tell answers apart."""
    callers = [house.caller(at=at) for at in (0, 1)]
    asked = [(f"crossed-{number % 40}", f"{number // 40}") for number in range(CROSSED)]
    random.shuffle(asked)
    at_once = asyncio.Semaphore(300)
    run = uuid4().hex[:6]

    async def ask(number: int, user: str, key: str) -> tuple[str, str, Reply]:
        body = {"userId": f"{user}-{run}", "topic": f"{user} {key}", "platform": "x"}
        async with at_once:
            return body["userId"], key, await callers[number % 2].post(POST, body, X_Request_ID=key)

    replies = await asyncio.gather(*(ask(number, *each) for number, each in enumerate(asked)))
    connection = await asyncpg.connect(house.environ["DATABASE_URL"])
    try:
        rows = await connection.fetch(
            "SELECT user_id, request_id, outbox FROM ai_requests WHERE user_id LIKE $1", f"%{run}"
        )
    finally:
        await connection.close()
    kept = {(row["user_id"], row["request_id"]): json.loads(json.loads(row["outbox"])[0]["value"]) for row in rows}
    assert len(kept) == CROSSED
    assert {reply.status for _, _, reply in replies} == {200}
    assert len({reply.body["post"] for _, _, reply in replies}) == CROSSED
    wrong = [key for user, key, reply in replies if kept[user, key]["output"]["post"] != reply.body["post"]]
    assert wrong == []


async def test_the_windows_of_a_user_hold_over_all_replicas(house: House, tmp_path: Path) -> None:
    async with AsyncExitStack() as running:
        replicas = [
            await running.enter_async_context(beside(gateway(house.environ, tmp_path, RATE_LIMIT_REQUESTS="100")))
            for _ in range(3)
        ]
        user = new_user()
        callers = [Caller(one.url, token({"userId": user}), house.session) for one in replicas]
        replies = await asyncio.gather(*(callers[number % 3].post(POST, POST_FIELDS) for number in range(200)))
        admitted = [reply for reply in replies if reply.status == 200]
        refused = [reply for reply in replies if reply.status == 429]
        assert (len(admitted), len(refused)) == (100, 100)
        assert sorted(int(reply.headers["RateLimit-Remaining"]) for reply in admitted) == list(range(100))
        assert {reply.body["error"] for reply in refused} == {"Too many requests"}
        assert all(0 < int(reply.headers["Retry-After"]) <= 900 for reply in refused)
        premium = Caller(replicas[0].url, token({"userId": new_user(), "subscription": "premium"}), house.session)
        assert (await premium.post(POST, POST_FIELDS)).headers["RateLimit-Limit"] == "200"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("userId", "topic", "platform", "message", "history", "context", "count", "options", "conversationId", "text")


@given(
    method=st.sampled_from(["POST", "GET", "DELETE", "PUT", "PATCH", "HEAD", "TRACE"]),
    path=st.sampled_from([*CALLS, "/api/v1/requests/", "/api/v1/requests/x", "/health", "/"]) | st.text(max_size=20),
    body=st.binary(max_size=40)
    | st.builds(json.dumps, st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), VALUES)).map(str.encode),
    header=st.sampled_from(["Content-Type", "Prefer", "Idempotency-Key", "X-Forwarded-For", "traceparent", "X-More"]),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30),
)
@hypothesis_settings(deadline=None, max_examples=150)
async def test_whatever_is_sent_is_answered_and_nothing_breaks(
    house: House, method: str, path: str, body: bytes, header: str, value: str
) -> None:
    caller = house.caller()
    url = caller.url + quote(f"/{path.lstrip('/')}", safe="/")
    headers = {**caller.headers, "Content-Type": "application/json", header: value}
    async with house.session.request(method, url, data=body, headers=headers) as response:
        text = await response.read()
        assert response.status < 500, (response.status, text)
        assert response.headers["X-Request-ID"]
        if response.status >= 400 and method != "HEAD":
            assert {"error", "message"} <= json.loads(text).keys()


async def test_health_names_each_service(house: House) -> None:
    reply = await house.caller(None).get("/health")
    assert reply.status == 200
    assert reply.body == {
        "status": "healthy",
        "services": {name: {"status": "healthy"} for name in ("kafka", "database", "redis")},
    }


async def test_metrics_and_liveness_are_on_a_port_of_their_own(house: House) -> None:
    await house.caller().post(POST, {"userId": new_user(), **POST_FIELDS})
    own = Caller(f"http://127.0.0.1:{house.gateways[0].metrics_port}", None, house.session)
    metrics = (await own.get("/metrics")).body.decode()
    assert f'fanzgpt_http_requests_total{{method="POST",route="{POST}",status="200"}}' in metrics
    assert 'fanzgpt_gateway_requests_total{outcome="completed",type="social-post"}' in metrics
    assert "fanzgpt_gateway_windows_alone 0.0" in metrics
    assert [(await own.get(f"/health/{each}")).status for each in ("live", "ready")] == [200, 200]
    assert (await house.caller().get("/metrics")).status == 404


async def test_nothing_that_is_secret_or_personal_reaches_a_log(house: House) -> None:
    canary = f"canary{uuid4().hex}"
    presented = token({"userId": new_user(), "email": canary})
    await house.caller(presented).post(POST, {"topic": canary, "platform": "x"})
    await house.caller(presented[:-4] + "AAAA").post(POST, {"topic": canary, "platform": "x"})
    await house.caller(canary).post(POST, {"topic": canary, "platform": "x"})
    await house.caller().post(POST, {"userId": "u", "topic": canary, "platfrom": canary})
    await house.caller().post(POST, canary.encode())
    log = house.gateways[0].log.read_text()
    assert "token refused" in log
    assert not [secret for secret in (canary, KEY, presented) if secret in log]


async def test_the_document_describes_every_endpoint(house: House) -> None:
    document = (await house.caller(None).get("/openapi.json")).body
    assert document["openapi"].startswith("3.1")
    assert {path for path in document["paths"] if path.startswith("/api/")} == {
        *CALLS,
        "/api/v1/media/analyze-image",
        "/api/v1/media/images",
        "/api/v1/voice/synthesize",
        "/api/v1/requests/{request_id}",
    }
    for path in CALLS:
        operation = document["paths"][path]["post"]
        assert {"200", "202", "400", "401", "403", "422", "429", "502", "503", "504"} <= operation["responses"].keys()
        assert operation["security"] == [{"apiKey": []}, {"token": []}]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        assert document["components"]["schemas"][schema]["examples"]
        assert document["components"]["schemas"][schema]["additionalProperties"] is False
