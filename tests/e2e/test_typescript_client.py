"""The TypeScript client: checked, built and tested by its own command, and against a real gateway."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.e2e.processes import FANZGPT, upload_settings, wait_ready, worker

from fanzgpt_stack.emulator.testing import RunningEmulator

CLIENT = Path(__file__).parents[2] / "clients" / "typescript"
KEY = "a-service-key-of-the-test"


@pytest.fixture(scope="module")
def npm() -> str:
    found = shutil.which("npm")
    if found is None:
        pytest.skip("npm is not installed: the TypeScript client needs Node 20")
    installed = subprocess.run([found, "ci"], cwd=CLIENT, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    return found


def test_the_clients_own_tests_pass_against_a_real_gateway(
    npm: str, environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    emulator.script([{"match": {"stream": True}, "action": {"do": "drip", "bytes": 400, "every": "60ms"}}])
    ready, log = tmp_path / "gateway.json", tmp_path / "gateway.log"
    environ = {**environ, **upload_settings(tmp_path / "kept")}
    settings = {**environ, "PORT": "0", "FANZ_GPT_API_KEY": KEY, "READY_FILE": str(ready)}
    with worker("generation", environ, tmp_path), log.open("wb") as output:
        gateway = subprocess.Popen([FANZGPT, "gateway"], env=settings, stdout=output, stderr=output)
        try:
            wait_ready(gateway, ready, log)
            url = f"http://127.0.0.1:{json.loads(ready.read_text())['port']}"
            tested = subprocess.run(
                [npm, "test"],
                cwd=CLIENT,
                env={**os.environ, "FANZ_GPT_URL": url, "FANZ_GPT_API_KEY": KEY},
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            gateway.terminate()
            gateway.wait(30)
    assert tested.returncode == 0, tested.stdout[-6_000:] + log.read_text()[-3_000:]
    assert "# skipped 0" in tested.stdout
