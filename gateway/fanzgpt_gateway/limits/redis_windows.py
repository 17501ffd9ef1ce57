"""The windows in Redis or Valkey, shared by every replica: one script a request, so that no two can both be the last.

Keys: `ai:window:{subject}` and `ai:window:{subject}:repeats`; whoever else counts a user's requests uses them too.
"""

import math
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis

from fanzgpt_gateway.limits.windows import REPEATS_PER_REQUEST, Admission, Allowance

ANSWER_SECONDS: Final = 3.0  # a replica that starves for a second must not take Redis for away and count alone
CONNECTIONS: Final = 16
QUEUE_SECONDS: Final = 5


class RedisWindows:
    """Exact across replicas. Raises redis.RedisError or OSError where the server does not answer in time."""

    def __init__(self, redis: Redis) -> None:
        """The client belongs to whoever opened it; see `open_redis`."""
        self._redis = redis
        self._script = redis.register_script(files(__package__).joinpath("lua/admit.lua").read_text(encoding="utf-8"))

    async def admit(self, subject: str, request_id: str, allowance: Allowance) -> Admission:
        """Count a request, unless it was counted before or is one too many."""
        window = _window(subject)
        most = (allowance.requests, allowance.seconds, allowance.requests * REPEATS_PER_REQUEST)
        answer: Any = await self._script(keys=[window, f"{window}:repeats"], args=[request_id, *most])
        admitted, counted, reset = (int(each) for each in answer)
        return Admission(
            admitted=bool(admitted),
            limit=allowance.requests,
            window_seconds=allowance.seconds,
            remaining=max(0, allowance.requests - counted),
            reset_seconds=max(1, math.ceil(reset / 1_000_000)),
        )

    async def counted(self, subject: str, request_id: str, allowance: Allowance) -> bool:  # noqa: ARG002 - the set itself expires
        """Whether the id is in the present window."""
        return await self._redis.zscore(_window(subject), request_id) is not None


def open_redis(url: str) -> Redis:
    """A client with a bound on every wait; connects on first use."""
    # A burst waits for a connection: an error instead would look as if the server were away.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=QUEUE_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        client_name="fanzgpt-gateway",
    )
    return Redis.from_pool(pool)


def _window(subject: str) -> str:
    # The braces keep both keys of a user on one node of a cluster.
    return f"ai:window:{{{subject}}}"
