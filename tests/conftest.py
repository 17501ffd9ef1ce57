"""Real servers for every test that asks: one stack per process of the session, a database of its own per test.

FANZGPT_TEST_HOME=FOLDER keeps the stacks of that folder up between sessions, which spares each its start.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
import redis

from fanzgpt_stack.servers import StackServers
from fanzgpt_stack.testing import running_stack
from fanzgpt_workers.stores.migrate import migrate

# Of two processes that share the files out, neither waits long for the other at the end; and what wants both cores,
# the simulation, runs beside tests that no server keeps waiting.
ORDER = ("chaos", "e2e", "integration", "contract", "simulation")


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Our processes heed Ctrl-C also where the session runs in a shell's background, which ignores it for its heirs."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin the session; within a folder the order is the chance's."""
    places = {folder: number for number, folder in enumerate(ORDER)}
    items.sort(key=lambda item: places.get(item.nodeid.split("/")[1], len(ORDER)))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServers]:
    """Kafka, PostgreSQL and Valkey that are up, without the model."""
    with kept_stack("stack", tmp_path_factory) as servers:
        yield servers


@pytest.fixture(scope="session")
def kafka_bootstrap(stack: StackServers) -> str:
    """KAFKA_BOOTSTRAP_SERVERS of the session's stack; make topics with names of your own."""
    return stack.endpoints()["KAFKA_BOOTSTRAP_SERVERS"]


@pytest.fixture
def database_url(stack: StackServers) -> Iterator[str]:
    """A fresh database with a `users` table and nothing else."""
    with database(stack.endpoints()["DATABASE_URL"], template="fanzgpt") as url:
        yield url


@pytest.fixture
def migrated_database_url(stack: StackServers, migrated_template: str) -> Iterator[str]:
    """A fresh database with this release's schema."""
    with database(stack.endpoints()["DATABASE_URL"], template=migrated_template) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(stack: StackServers) -> Iterator[str]:
    """The name of a database with this release's schema, to copy."""
    with database(stack.endpoints()["DATABASE_URL"], template="fanzgpt") as url:
        migrate(url)
        yield urlsplit(url).path.lstrip("/")


@pytest.fixture
def redis_url(stack: StackServers) -> str:
    """An empty Valkey."""
    url = stack.endpoints()["REDIS_URL"]
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@contextmanager
def kept_stack(name: str, folders: pytest.TempPathFactory) -> Iterator[StackServers]:
    """A stack for the block, of this process alone; in FANZGPT_TEST_HOME it outlives the session."""
    kept = os.environ.get("FANZGPT_TEST_HOME")
    own = Path(os.environ.get("PYTEST_XDIST_WORKER", "")) / name
    with running_stack(Path(kept) / own if kept else folders.mktemp(name), keep=kept is not None) as servers:
        yield servers


@contextmanager
def database(server: str, *, template: str) -> Iterator[str]:
    """A copy of a database for the block; `server` is the address of any other database of the same server."""
    name = f"test_{uuid4().hex[:12]}"
    parts = urlsplit(server)
    maintenance = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
