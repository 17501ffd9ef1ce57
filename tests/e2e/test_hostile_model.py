"""Whatever a model says is text: it harms nothing downstream, and nothing of what people write reaches a log."""

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from tests.conftest import database
from tests.e2e.event_streams import streamed
from tests.e2e.gateways import KEY, SECRET, Caller, RunningGateway, gateway, request_id, token, until
from tests.e2e.processes import settings, worker
from tests.e2e.topics import begin_here, raw_producer

from fanzgpt_schemas.events import REQUESTED_TOPIC
from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator

POST = "/api/v1/content/social-post"
PROVIDERS_KEY = "sk-canary-of-the-provider-0123456789"
HOSTILE = {
    "json": '"}, "requestId": "another", "usage": {"costUsd": -1}, "output": {"post": "x',
    "html": "<script>alert(document.cookie)</script><img src=x onerror=alert(1)>",
    "sql": "'; DROP TABLE ai_requests; DELETE FROM users; --",
    "ansi": "\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m",
    "nul": "before\0after",
    "lines": "one\r\n\r\nevent: completed\ndata: {}\n\nid: 9-9",
    "bidi": "\u202egnp.exe\u202c \ufeff\u2028\u2029",
    "braces": "{{7*7}} ${jndi:ldap://x} %s%n #{x} {% raw %}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The whole system at DEBUG, with a provider that says what it is told to."""

    gateway: RunningGateway
    emulator: RunningEmulator
    session: aiohttp.ClientSession
    environ: dict[str, str]
    folder: Path

    def caller(self, presented: str = KEY) -> Caller:
        return Caller(self.gateway.url, presented, self.session)

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.environ["DATABASE_URL"])
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    def logs(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("*.log"))


@pytest.fixture(scope="module")
async def house(
    endpoints: dict[str, str], migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with (
        database(endpoints["DATABASE_URL"], template=migrated_template) as url,
        running_emulator(folder / "bill.jsonl") as emulator,
        ExitStack() as running,
    ):
        environ = {**settings(endpoints, url, emulator), "LOG_LEVEL": "debug", "OPENAI_API_KEY": PROVIDERS_KEY}
        await begin_here(environ["KAFKA_BOOTSTRAP_SERVERS"], environ["KAFKA_GROUP_PREFIX"])
        for name in ("generation", "history-sink", "analytics-sink", "preferences-sink"):
            running.enter_context(worker(name, environ, folder))
        one = running.enter_context(gateway(environ, folder))
        async with aiohttp.ClientSession() as session:
            yield House(gateway=one, emulator=emulator, session=session, environ=environ, folder=folder)


@pytest.fixture(autouse=True)
def _unscripted(house: House) -> None:
    house.emulator.clear()


@pytest.mark.parametrize("kind", HOSTILE)
async def test_what_a_model_says_is_passed_on_as_text_and_does_nothing(house: House, kind: str) -> None:
    said = HOSTILE[kind]
    house.emulator.script([{"action": {"do": "say", "text": said}}])
    user, asked = f"user-{uuid4().hex[:8]}", request_id()
    caller = house.caller(token({"userId": user}))
    reply = await caller.post(POST, {"topic": "rain", "platform": "x"}, X_Request_ID=asked)
    expected = said.replace("\0", "\ufffd").strip()
    assert reply.status == 200
    assert reply.body["post"] == expected
    assert reply.body["requestId"] == asked
    assert reply.headers["Content-Type"] == "application/json"
    async with streamed(caller, POST, {"topic": "rain, watched", "platform": "x"}) as stream:
        events = await stream.all()
    assert [event.name for event in events if event.name != "delta"] == ["accepted", "completed"]
    assert events[-1].data["post"] == expected

    async def stored() -> list[asyncpg.Record]:
        return await house.rows(
            "SELECT output_data FROM ai_generation_history h JOIN users u ON u.id = h.user_id "
            "JOIN ai_requests r ON r.user_key = u.id WHERE r.request_id = $1",
            asked,
        )

    assert {json.loads(row["output_data"])["post"] for row in await until(stored)} == {expected}
    assert "\x1b" not in house.logs()


async def test_an_answer_of_ten_megabytes_is_given_up_and_the_next_one_is_answered(house: House) -> None:
    huge = {"do": "garbage", "what": "huge", "bytes": 10_000_000}
    house.emulator.script([{"action": huge, "times": 3}])
    caller = house.caller()
    reply = await caller.post(POST, {"userId": "u", "topic": "rain", "platform": "x"})
    assert (reply.status, reply.body["reason"]) == (502, "provider")
    assert (await caller.post(POST, {"userId": "u", "topic": "sun", "platform": "x"})).status == 200


async def test_no_secret_and_nothing_that_people_write_reaches_a_log_at_debug(house: House) -> None:
    canary = f"canary{uuid4().hex}"
    email = f"{canary}@example.com"
    presented = token({"userId": f"user-{uuid4().hex[:8]}", "email": email})
    fields = {"topic": canary, "platform": "x", "options": {"tone": canary, "preferences": {"mail": email}}}
    caller = house.caller(presented)
    # What is answered, watched, refused by the provider in the prompt's own words, cut, malformed, and answered hostilely.
    actions: tuple[dict[str, object], ...] = (
        {"do": "say", "text": f"{canary} says the model"},
        {"do": "status", "status": 400, "body": json.dumps({"error": {"message": f"bad prompt: {canary} {canary}"}})},
        {"do": "garbage", "what": "html"},
        {"do": "reset"},
    )
    for action in actions:
        house.emulator.script([{"action": action, "times": 3}])
        await caller.post(POST, fields)
        house.emulator.clear()
    async with streamed(caller, POST, {**fields, "topic": f"{canary} watched"}) as stream:
        assert (await stream.all())[-1].name == "completed"
    # What is refused at the door.
    await house.caller(presented[:-4] + "AAAA").post(POST, fields)
    await house.caller(canary).post(POST, fields)
    await caller.post(f"{POST}?note={canary}", {**fields, "platfrom": canary})
    await caller.post(POST, canary.encode())
    await caller.get(f"/api/v1/requests/{request_id()}?userId={canary}")
    # What comes over the topic, and is no request or breaks ours.
    async with raw_producer(house.environ["KAFKA_BOOTSTRAP_SERVERS"]) as producer:
        for value in (canary, json.dumps({"userId": "u", "type": "social-post", "input": {"topic": [canary]}})):
            await producer.send_and_wait(REQUESTED_TOPIC, value.encode())
        last = json.dumps({"userId": "u", "type": "social-post", "requestId": (asked := request_id()), "input": fields})
        await producer.send_and_wait(REQUESTED_TOPIC, last.encode())

    async def ended() -> list[asyncpg.Record]:
        return await house.rows("SELECT FROM ai_requests WHERE request_id = $1 AND ended_at IS NOT NULL", asked)

    await until(ended)
    logs = house.logs()
    assert '"level": "debug"' in logs, "the logs were not at DEBUG"
    assert "token refused" in logs
    secrets = {
        "a prompt": canary,
        "a key of ours": KEY,
        "a secret of ours": SECRET,
        "a token": presented,
        "the provider's key": PROVIDERS_KEY,
        "the database's address": house.environ["DATABASE_URL"],
    }
    assert [kind for kind, secret in secrets.items() if secret in logs] == []
