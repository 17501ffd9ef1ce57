"""A pool of PostgreSQL connections set up for what the stores do: small batches of lookups by key, each in its time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import asyncpg

from fanzgpt_workers.errors import ConfigurationError, FanzError
from fanzgpt_workers.stores.pg_address import UNREADABLE, address_of
from fanzgpt_workers.stores.pg_errors import translated

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Session: TypeAlias = PoolConnectionProxy[asyncpg.Record]

# Every hot statement looks a batch of keys up, so one plan is right whatever the tables' size and statistics: take
# the batch in its order, and for each element go through the index. It also makes rows be locked in the batch's
# order. A generic plan made while a table was still empty would otherwise scan it for as long as it is cached.
_SESSION: Final = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
}
_FREE_PLANNING: Final = "".join(
    f"SET LOCAL {setting} = {'auto' if setting == 'plan_cache_mode' else 'on'};" for setting in _SESSION
)


class StoreConnection(asyncpg.Connection):
    """A connection without session state of its own, so that nothing has to be reset when it goes back."""

    def get_reset_query(self) -> str:
        """No statement: a reset would double the round trips of a one-statement call."""
        return ""


class Database:
    """A lazily connected pool; it may be made while the server is down.

    Every use has one deadline, for waiting in the pool's queue, connecting and all statements together. The server
    gives up on a statement at the same deadline, so that none of them lives on long after its caller.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", *, address: str, deadline: float) -> None:
        """Use `open_database`."""
        self._pool = pool
        self._deadline = deadline
        self.address = address

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[Session]":
        """One connection for the block.

        Raises DatabaseUnavailable for whatever may pass, also past the deadline; ConfigurationError for what a person
        has to change. asyncpg's errors about the data itself come through as they are.
        """
        connection = None
        try:
            async with asyncio.timeout(self._deadline):
                connection = await self._pool.acquire()
                yield connection
        except BaseException as error:
            # Unless the server itself has answered, a statement may still be under way, and waiting for its
            # cancellation could take longer than the deadline.
            if connection is not None and not isinstance(error, asyncpg.PostgresError | FanzError):
                connection.terminate()
            ours = translated(error, address=self.address)
            if ours is None:
                raise
            raise ours from error
        finally:
            if connection is not None:
                await self._pool.release(connection)

    @asynccontextmanager
    async def reading(self) -> "AsyncIterator[Session]":
        """One connection for reports: read-only, in one snapshot, and with the planner free to choose."""
        async with self.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(_FREE_PLANNING)
            yield connection

    async def close(self) -> None:
        """Close every connection; waits for those in use up to the deadline, then cuts them."""
        try:
            async with asyncio.timeout(self._deadline):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def open_database(url: str, *, size: int = 10, deadline: float = 10.0, application: str = "fanzgpt") -> Database:
    """A Database for `url` with up to `size` connections; `deadline` is in seconds. Connects on first use.

    `application` is the name under which the connections stand in pg_stat_activity. Raises ConfigurationError for an
    address that cannot be read.
    """
    if not url.startswith(("postgresql://", "postgres://")) or address_of(url) == UNREADABLE:
        raise ConfigurationError(
            "DATABASE_URL is not a database address; it should look like postgresql://user:password@host:5432/name"
        )
    pool = await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        timeout=deadline,
        connection_class=StoreConnection,
        server_settings={
            **_SESSION,
            "application_name": application,
            "statement_timeout": str(int(deadline * 1000)),
            "idle_in_transaction_session_timeout": str(int(deadline * 1000)),
        },
    )
    return Database(pool, address=address_of(url), deadline=deadline)
