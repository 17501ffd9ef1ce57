"""Servers that may be killed: a stack that no other test uses."""

from collections.abc import Iterator

import pytest
from tests.conftest import kept_stack

from fanzgpt_stack.servers import StackServers


@pytest.fixture(scope="session")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServers]:
    """One broker, PostgreSQL and Valkey, for every scenario; each leaves them up."""
    with kept_stack("victims", tmp_path_factory) as servers:
        yield servers
