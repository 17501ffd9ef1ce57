"""What we tell newcomers to run, run as it stands: the examples and the README's program, on a running system."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest
from tests.conftest import database
from tests.e2e.processes import settings, upload_settings, worker
from tests.e2e.topics import begin_here
from tests.unit.images.pictured import answer as pictured
from tests.unit.images.pictured import listening, picture

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TESTED = {"ask.py", "bulk.py", "follow.py", "see.py", "speak.py"}


def media_settings(folder: Path) -> dict[str, str]:
    """What a worker needs to see and to speak; images come from an address of this machine."""
    return {
        **upload_settings(folder),
        "IMAGE_URL_SCHEMES": "http",
        "IMAGE_URL_NETWORKS": "127.0.0.2/32",
        "FEATURE_VOICE_PROCESSING": "true",
        "FANZ_GPT_URL": "http://gateway.example",
    }


class Serving:
    """A generation worker and what it needs, with the environment that leads there."""

    def __init__(self, environ: dict[str, str], emulator: RunningEmulator) -> None:
        self.environ = environ
        self.emulator = emulator

    def run(self, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The program, to its end."""
        return subprocess.run(
            [sys.executable, str(program), *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self) -> int:
        """Calls on the provider's bill."""
        return len(self.emulator.bill())


@pytest.fixture(scope="module")
async def serving(
    endpoints: dict[str, str], migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Serving]:
    """One worker for every program here."""
    folder = tmp_path_factory.mktemp("examples")
    with (
        running_emulator(folder / "bill.jsonl") as emulator,
        database(endpoints["DATABASE_URL"], template=migrated_template) as url,
    ):
        environ = {**settings(endpoints, url, emulator), **media_settings(folder / "objects")}
        await begin_here(environ["KAFKA_BOOTSTRAP_SERVERS"], environ["KAFKA_GROUP_PREFIX"])
        with worker("generation", environ, folder):
            yield Serving(environ, emulator)


def test_every_example_is_run_by_a_test() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == TESTED


def test_the_readmes_program_prints_an_answer(serving: Serving, tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert "localhost:9092" in code
    program = tmp_path / "readme.py"
    program.write_text(code.replace("localhost:9092", serving.environ["KAFKA_BOOTSTRAP_SERVERS"]))
    done = serving.run(program)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_one_post_is_asked_for_and_printed(serving: Serving) -> None:
    done = serving.run(EXAMPLES / "ask.py", "morning workout", "instagram")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_a_refusal_is_told_in_words_and_by_exit_code(serving: Serving) -> None:
    serving.emulator.script([{"action": {"do": "status", "status": 400}, "times": 1}])
    done = serving.run(EXAMPLES / "ask.py", "morning workout", "instagram")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("provider: refused: ")


async def test_an_image_is_looked_at_and_one_that_may_not_be_fetched_is_refused_in_words(serving: Serving) -> None:
    async with listening(lambda _path: pictured(picture()), host="127.0.0.2") as images:
        done = await asyncio.to_thread(serving.run, EXAMPLES / "see.py", f"{images.url}/a.png", "colours")
    assert (done.returncode, done.stderr) == (0, "")
    assert "64 x 32 pixels" in done.stdout
    done = await asyncio.to_thread(serving.run, EXAMPLES / "see.py", "http://127.0.0.3/a.png", "colours")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("rejected: ")


def test_a_text_is_spoken_and_the_recordings_address_is_printed(serving: Serving) -> None:
    done = serving.run(EXAMPLES / "speak.py", "Good morning!", "Nova")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"http://gateway\.example/media/audio/\S+\.mp3\?expires=\d+&signature=", done.stdout)


def test_a_bulk_is_answered_once_however_often_it_is_begun(serving: Serving) -> None:
    campaign, before = f"campaign-{uuid4().hex[:8]}", serving.calls()
    for _ in range(2):
        done = serving.run(EXAMPLES / "bulk.py", campaign, "40", "16")
        assert (done.returncode, done.stdout, done.stderr) == (0, "40 answered, 0 failed\n", "")
    assert serving.calls() - before == 40


def test_a_follower_goes_on_where_its_group_was(serving: Serving) -> None:
    group, campaigns = f"follower-{uuid4().hex[:8]}", [f"campaign-{uuid4().hex[:8]}" for _ in range(2)]
    seen = []
    for campaign in campaigns:
        assert serving.run(EXAMPLES / "bulk.py", campaign, "3", "3").returncode == 0
        seen += followed(serving, group, campaign, answers=3)
    assert sorted(line.split()[1] for line in seen if line.split()[1].startswith(tuple(campaigns))) == sorted(
        f"{campaign}/{number}" for campaign in campaigns for number in range(3)
    )


def followed(serving: Serving, group: str, campaign: str, *, answers: int) -> list[str]:
    """The lines of a follower until it has told of the campaign's answers; it is ended as a person does."""
    command = [sys.executable, str(EXAMPLES / "follow.py"), group, "--from-beginning"]
    with subprocess.Popen(command, env=serving.environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        end = monotonic() + 40
        try:
            while sum(campaign in line for line in lines) < answers:
                assert monotonic() < end, lines
                line = process.stdout.readline()
                assert line, lines
                lines.append(line)
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
            assert process.wait(20) == 0
        finally:
            process.kill()
    return [*lines, *rest.splitlines()]
