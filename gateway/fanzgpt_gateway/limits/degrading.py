"""What is promised when the shared windows are away: every replica counts for itself, and says so.

A user may then ask up to the limit of each replica. Refusing everybody instead would make a cache the heart of the
system; letting everybody through would leave the providers' bill open.
"""

import logging
from collections.abc import Callable
from typing import Final

from redis import RedisError

from fanzgpt_gateway.limits.windows import Admission, Allowance, Windows

log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 1.0


class DegradingWindows:
    """The shared windows while they answer, else this process's own; the shared ones are tried again each second."""

    def __init__(
        self, shared: Windows, own: Windows, *, clock: Callable[[], float], degraded: Callable[[bool], None]
    ) -> None:
        """`degraded` is told at each change; `clock` gives seconds, from whenever."""
        self._shared = shared
        self._own = own
        self._clock = clock
        self._tell = degraded
        self._away = False
        self._next_try = 0.0

    async def admit(self, subject: str, request_id: str, allowance: Allowance) -> Admission:
        """As the shared windows, or as this process's own."""
        if self._may_ask():
            try:
                admission = await self._shared.admit(subject, request_id, allowance)
            except (RedisError, OSError) as error:
                self._went_away(error)
            else:
                self._came_back()
                return admission
        return await self._own.admit(subject, request_id, allowance)

    async def counted(self, subject: str, request_id: str, allowance: Allowance) -> bool:
        """As the shared windows, or as this process's own."""
        if self._may_ask():
            try:
                return await self._shared.counted(subject, request_id, allowance)
            except (RedisError, OSError) as error:
                self._went_away(error)
        return await self._own.counted(subject, request_id, allowance)

    def _may_ask(self) -> bool:
        """While they are away, one call a second finds out; the others do not wait for it."""
        if not self._away:
            return True
        now = self._clock()
        if now < self._next_try:
            return False
        self._next_try = now + PAUSE_SECONDS
        return True

    def _went_away(self, error: Exception) -> None:
        self._next_try = self._clock() + PAUSE_SECONDS
        if not self._away:
            self._away = True
            log.warning("windows are counted per replica, for Redis is away: %s", type(error).__name__)
            self._tell(True)

    def _came_back(self) -> None:
        if self._away:
            self._away = False
            log.info("windows are shared again")
            self._tell(False)
