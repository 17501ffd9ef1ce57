"""The embedded stack around a test session."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fanzgpt_stack.servers import StackServers


@contextmanager
def running_stack(
    home: Path, *, brokers: int | None = None, with_model: bool = False, keep: bool = False
) -> Iterator[StackServers]:
    """A stack that is up for the block. It is taken down afterwards, unless `keep` is set; its data stays.

    Raises what `StackServers.up` raises.
    """
    servers = StackServers(home, brokers=brokers, with_model=with_model)
    try:
        servers.up()
        yield servers
    finally:
        if not keep:
            servers.down()
