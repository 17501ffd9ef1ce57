import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_stack.stack_file import NAME, ServerRecord, StackFile, read_endpoints
from fanzgpt_workers.embedded import find_embedded

NAMES = st.text(min_size=1, max_size=10)
RECORDS = st.builds(
    ServerRecord,
    pid=st.integers(1, 1 << 22),
    started=st.floats(0, 1e9),
    port=st.integers(1, 65535),
    configuration=st.text(max_size=16),
)
FILES = st.builds(
    StackFile,
    ports=st.dictionaries(NAMES, st.integers(1, 65535), max_size=5),
    servers=st.dictionaries(NAMES, RECORDS, max_size=5),
    endpoints=st.none() | st.dictionaries(NAMES, st.text(max_size=20), max_size=5),
)


@given(FILES)
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, file: StackFile) -> None:
    home = tmp_path_factory.mktemp("home")
    file.write(home)
    assert StackFile.read(home) == file


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"version": 2}', '{"version": 1}', '{"version": 1, "ports": []}']
)
def test_a_file_that_cannot_be_understood_knows_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    assert StackFile.read(tmp_path) == StackFile()


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    StackFile(endpoints={"DATABASE_URL": "postgresql://fanzgpt:secret@127.0.0.1/fanzgpt"}).write(tmp_path)
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_there_are_endpoints_only_while_the_stack_is_up(tmp_path: Path) -> None:
    assert read_endpoints(tmp_path) is None
    StackFile(ports={"valkey": 1}).write(tmp_path)
    assert read_endpoints(tmp_path) is None
    StackFile(ports={"valkey": 1}, endpoints={"REDIS_URL": "redis://127.0.0.1:1"}).write(tmp_path)
    assert read_endpoints(tmp_path) == {"REDIS_URL": "redis://127.0.0.1:1"}


def test_every_process_of_the_system_finds_the_same_endpoints(tmp_path: Path) -> None:
    StackFile(endpoints={"REDIS_URL": "redis://127.0.0.1:1"}).write(tmp_path)
    found = find_embedded({"FANZGPT_HOME": str(tmp_path)})
    assert found is not None
    assert found.endpoints == read_endpoints(tmp_path)
