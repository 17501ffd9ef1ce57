"""A request from a shell: kcat, plain JSON, no header, no key, nothing of ours."""

import json
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from tests.e2e.processes import worker
from tests.e2e.rows import rows
from tests.e2e.topics import completion, onlooker

from fanzgpt_schemas.events import COMPLETED_TOPIC, REQUESTED_TOPIC
from fanzgpt_stack.emulator.testing import RunningEmulator

pytestmark = pytest.mark.skipif(
    shutil.which("kcat") is None, reason="kcat is not installed: apt-get install kcat (as root), or brew install kcat"
)


def kcat(*arguments: str, stdin: str | None = None) -> str:
    """What kcat prints; fails with what it complains about."""
    done = subprocess.run(["kcat", *arguments], input=stdin, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_plain_json_request_published_by_kcat_is_answered_and_becomes_rows(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    bootstrap, user = environ["KAFKA_BOOTSTRAP_SERVERS"], str(uuid4())
    asked = {"userId": user, "type": "social-post", "input": {"topic": "morning workout", "platform": "instagram"}}
    with ExitStack() as running:
        for name in ("generation", "history-sink", "analytics-sink"):
            running.enter_context(worker(name, environ, tmp_path))
        async with onlooker(bootstrap, COMPLETED_TOPIC) as seen:
            kcat("-P", "-b", bootstrap, "-t", REQUESTED_TOPIC, stdin=f"{json.dumps(asked)}\n")
            [record] = await seen.wait_for(lambda each: completion(each).user_id == user)
        answer = completion(record)
        assert (answer.type, answer.input) == (asked["type"], asked["input"])
        # Nobody named the request: its place in the log does.
        assert answer.request_id.startswith(f"{REQUESTED_TOPIC}/")
        [row] = await rows(
            environ["DATABASE_URL"],
            "SELECT output_data FROM ai_generation_history WHERE user_id = $1::text::uuid",
            user,
            until=1,
        )
        assert json.loads(row["output_data"]) == answer.output
        assert await rows(environ["DATABASE_URL"], "SELECT 1 FROM ai_analytics", until=1)
    # And the answer is read the same way.
    place = ("-t", COMPLETED_TOPIC, "-p", str(record.partition), "-o", str(record.offset), "-c", "1", "-e")
    read = json.loads(kcat("-C", "-b", bootstrap, *place, "-q"))
    assert (read["userId"], read["output"]) == (user, answer.output)
    assert [line["request_id"] for line in emulator.bill()] == [answer.request_id]
