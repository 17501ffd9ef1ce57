"""Wishes to end requests early: heard by every worker, acted on by the one that has the request."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from fanzgpt_workers.ports import Clock

REMEMBERED: Final = timedelta(hours=1)
_MOST_REMEMBERED: Final = 100_000


class CalledOff(Exception):
    """The request was cancelled while calls were made for it; the call under way is closed."""


@dataclass(slots=True)
class _Call:
    task: "asyncio.Task[object]"
    is_off: bool = False

    def call_off(self) -> None:
        if not self.is_off:
            self.is_off = True
            self.task.cancel()


class Wishes:
    """The wishes of the last hour, by request.

    A wish that comes before its request's turn ends the request there, unpaid; one that comes during a call closes it;
    one that comes later finds an ending and changes nothing. Wishes beyond 100,000 push out the oldest.
    """

    def __init__(self, clock: Clock) -> None:
        """Nothing is wished."""
        self._clock = clock
        self._wished: OrderedDict[UUID, datetime] = OrderedDict()
        self._calls: dict[UUID, _Call] = {}

    def add(self, request_key: UUID, at: datetime) -> None:
        """Somebody wants the request to end; repeated wishes are one."""
        self._wished[request_key] = at
        self._wished.move_to_end(request_key)
        while self._wished and (
            len(self._wished) > _MOST_REMEMBERED or self._is_stale(next(iter(self._wished.values())))
        ):
            self._wished.popitem(last=False)
        call = self._calls.get(request_key)
        if call is not None:
            call.call_off()

    def is_wished(self, request_key: UUID) -> bool:
        """Whether the request is to end before a call."""
        at = self._wished.get(request_key)
        return at is not None and not self._is_stale(at)

    def wished(self) -> list[UUID]:
        """Every request that is to end."""
        return [key for key, at in self._wished.items() if not self._is_stale(at)]

    def over(self, request_key: UUID) -> None:
        """The request has its ending: the wish is met, or too late."""
        self._wished.pop(request_key, None)

    @contextmanager
    def calling(self, request_key: UUID) -> Iterator[None]:
        """For the block this task makes calls for the request; raises CalledOff out of it when a wish comes."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is made by a task")
        call = self._calls[request_key] = _Call(task)
        try:
            yield
        except asyncio.CancelledError:
            # The task may have been cancelled for another reason as well, and then that one counts.
            if not call.is_off or task.uncancel() > 0:
                raise
            raise CalledOff from None
        finally:
            if self._calls.get(request_key) is call:
                del self._calls[request_key]

    def _is_stale(self, at: datetime) -> bool:
        return self._clock.now() - at > REMEMBERED
