"""Servers that may be killed: a stack that no other test uses."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanzgpt_stack.servers import StackServers
from fanzgpt_stack.testing import running_stack


@pytest.fixture(scope="session")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServers]:
    """One broker, PostgreSQL and Valkey, for every scenario; each leaves them up."""
    kept = os.environ.get("FANZGPT_TEST_HOME")
    home = Path(kept) / "victims" if kept else tmp_path_factory.mktemp("victims")
    with running_stack(home, keep=kept is not None) as servers:
        yield servers
