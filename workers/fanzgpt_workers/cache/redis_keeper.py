"""Answers in Redis or Valkey, by the ecosystem's keys; one script for any number of questions."""

from collections.abc import Awaitable, Sequence
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from fanzgpt_workers.cache.keeper import LEASE_SECONDS, Found, Lease, Look, Theirs, Yours
from fanzgpt_workers.errors import CacheUnavailable


class RedisKeeper:
    """Implements `Keeper`. Losing every key costs calls for what was known, and nothing else."""

    def __init__(self, redis: Redis, *, seconds: int, lease_seconds: float = LEASE_SECONDS) -> None:
        """The client belongs to whoever opened it; `seconds` is how long answers stay."""
        self._seconds = str(seconds)
        self._lease_ms = str(round(lease_seconds * 1000))
        self._look = redis.register_script(_script("look"))
        self._end = redis.register_script(_script("end"))
        self._hold = redis.register_script(_script("hold"))

    async def look(self, wanted: Sequence[Lease]) -> Sequence[Look]:
        """See `Keeper`."""
        found = await _asked(
            self._look(keys=_names(wanted), args=[self._lease_ms, *(lease.holder for lease in wanted)])
        )
        return [_look(each) for each in found]

    async def end(self, ended: Sequence[tuple[Lease, str]]) -> None:
        """See `Keeper`."""
        told = [word for lease, text in ended for word in (lease.holder, text)]
        await _asked(self._end(keys=_names([lease for lease, _ in ended]), args=[self._seconds, *told]))

    async def hold(self, leases: Sequence[Lease]) -> None:
        """See `Keeper`."""
        names = _names(leases)[1::2]
        await _asked(self._hold(keys=names, args=[self._lease_ms, *(lease.holder for lease in leases)]))


def _look(answer: Any) -> Look:
    match answer:
        case 1:
            return Yours()
        case 0:
            return Theirs()
        case _:
            return Found(answer.decode())


def _names(leases: Sequence[Lease]) -> list[str]:
    """Of each question the name of its answer and that of its lease."""
    return [name for lease in leases for name in (lease.key, f"{lease.key}:call")]


async def _asked(answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except (RedisError, OSError) as error:
        raise CacheUnavailable(f"Redis does not answer: {error}") from error


def _script(name: str) -> str:
    return files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
