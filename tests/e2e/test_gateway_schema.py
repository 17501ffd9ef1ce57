"""The API against its own document: every check of schemathesis, each endpoint and sequences of them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.gateways import gateway, token
from tests.e2e.processes import worker
from tests.e2e.waiting import beside

THOROUGH = os.environ.get("SCHEMATHESIS_EXAMPLES")
"""So many examples of each endpoint, and every border case of its schema; `make api` asks for a hundred."""


async def test_the_api_is_what_its_document_says(environ: dict[str, str], tmp_path: Path) -> None:
    async with (
        beside(worker("generation", environ, tmp_path)),
        beside(gateway(environ, tmp_path, LOG_LEVEL="debug")) as one,
    ):
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
            "run",
            f"{one.url}/openapi.json",
            "--checks=all",
            f"--phases=examples,fuzzing,stateful{',coverage' if THOROUGH else ''}",
            f"--max-examples={THOROUGH or 2}",
            "--header",
            f"Authorization: Bearer {token({'userId': 'test-user-1'})}",
            "--seed=1",
            "--no-color",
            "--continue-on-failure",
        ]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=3_000
        )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert "internal error" not in one.log.read_text().lower()
