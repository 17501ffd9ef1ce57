"""The embedded stack's file, read without trusting it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fanzgpt_workers.embedded import find_embedded, home


def write(folder: Path, document: object) -> dict[str, str]:
    (folder / "stack.json").write_text(json.dumps(document), encoding="utf-8")
    return {"FANZGPT_HOME": str(folder)}


def test_the_endpoints_are_found_where_the_stack_left_them(tmp_path: Path) -> None:
    environ = write(tmp_path, {"version": 1, "endpoints": {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}})
    found = find_embedded(environ)
    assert found is not None
    assert found.endpoints == {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}


def test_without_a_home_it_is_the_current_folders() -> None:
    assert home({}) == Path(".fanzgpt")


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"version": 2, "endpoints": {}},
        {"version": 1},
        {"version": 1, "endpoints": []},
        {"endpoints": {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}},
    ],
)
def test_a_file_of_another_shape_is_no_stack(tmp_path: Path, document: object) -> None:
    assert find_embedded(write(tmp_path, document)) is None


def test_a_half_written_or_missing_file_is_no_stack(tmp_path: Path) -> None:
    assert find_embedded({"FANZGPT_HOME": str(tmp_path)}) is None
    (tmp_path / "stack.json").write_bytes(b'{"version": 1, "endp')
    assert find_embedded({"FANZGPT_HOME": str(tmp_path)}) is None


def test_a_stack_that_is_down_is_no_stack(tmp_path: Path) -> None:
    assert find_embedded(write(tmp_path, {"version": 1, "ports": {"kafka": 1}, "servers": {}})) is None


def test_a_stack_whose_servers_are_all_gone_is_no_stack(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    servers = {"kafka": {"pid": ended.pid}, "valkey": {"pid": ended.pid}}
    document = {"version": 1, "endpoints": {"REDIS_URL": "redis://127.0.0.1:1"}, "servers": servers}
    assert find_embedded(write(tmp_path, document)) is None
    servers["valkey"] = {"pid": os.getpid()}
    assert find_embedded(write(tmp_path, document)) is not None
