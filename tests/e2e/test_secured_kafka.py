"""Every client that we open logs in and encrypts, on a broker that lets nobody else in."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest
from tests.conftest import database
from tests.e2e.processes import FANZGPT, PROCESSES, settings, starting, worker
from tests.e2e.rows import rows
from tests.e2e.secured_kafka import SecuredKafka, secured_kafka

from fanzgpt_stack.emulator.testing import RunningEmulator
from fanzgpt_stack.servers import StackServers


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("secured")) as running:
        yield running


@pytest.fixture
def environ(
    stack: StackServers, migrated_template: str, emulator: RunningEmulator, broker: SecuredKafka
) -> Iterator[dict[str, str]]:
    found = stack.endpoints()
    with database(found["DATABASE_URL"], template=migrated_template) as url:
        yield {**settings({**found, "KAFKA_BOOTSTRAP_SERVERS": broker.servers}, url, emulator), **broker.settings}


async def fanzgpt(environ: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        FANZGPT, *arguments, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_every_process_and_every_command_gets_in(environ: dict[str, str], tmp_path: Path) -> None:
    applied, out, err = await fanzgpt(environ, "topics", "apply")
    assert applied == 0, out + err
    user = str(uuid4())
    with ExitStack() as running:
        for name in (*PROCESSES, "monitor"):
            running.enter_context(worker(name, environ, tmp_path))
        asked = ("request", "social-post", "--user", user, "--input", "topic=gym", "--input", "platform=x")
        code, out, err = await fanzgpt(environ, *asked, "--wait", "-o", "json")
        assert code == 0, err
        request_id = json.loads(out)["requestId"]
        query = "SELECT 1 FROM ai_generation_history WHERE user_id = $1::text::uuid"
        assert await rows(environ["DATABASE_URL"], query, user, until=1)
        looks = await asyncio.gather(
            fanzgpt(environ, "lag"),
            fanzgpt(environ, "trace", request_id),
            fanzgpt(environ, "tail", "completed", "--from-beginning", "--no-follow"),
            fanzgpt(environ, "topics", "plan"),
        )
    assert [(code, err) for code, _, err in looks] == [(0, "")] * len(looks)
    assert request_id in looks[1][1]
    assert request_id in looks[2][1]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"KAFKA_SASL_PASSWORD": "wrong"}, "does it take SASL_SSL and the login of 'svc'?"),
        ({"KAFKA_SSL_CA_FILE": None}, "does it take SASL_SSL and the login of 'svc'?"),
        ({"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "else"}, "the login of 'else'?"),
    ],
    ids=["a wrong password", "an authority that nobody trusts", "a stranger"],
)
async def test_whom_the_broker_refuses_is_told_what_to_look_at(
    environ: dict[str, str], changed: dict[str, str | None], told: str
) -> None:
    merged = {name: value for name, value in {**environ, **changed}.items() if value is not None}
    code, _, err = await fanzgpt(merged, "topics", "plan")
    assert (code, err.count("\n")) == (3, 1)
    assert told in err
    assert "wrong" not in err


async def test_a_worker_that_is_refused_says_so_and_waits(environ: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with starting("generation", {**environ, "KAFKA_SASL_PASSWORD": "wrong"}, log) as process:
        end = monotonic() + 20
        while b"and the login of 'svc'?" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert monotonic() < end, log.read_text()
            await asyncio.sleep(0.05)
    assert "Traceback" not in log.read_text()


async def test_plain_passwords_get_in_too(environ: dict[str, str]) -> None:
    code, out, err = await fanzgpt({**environ, "KAFKA_SASL_MECHANISM": "PLAIN"}, "topics", "plan", "-o", "json")
    assert code in (0, 2), err
    assert "steps" in json.loads(out)
