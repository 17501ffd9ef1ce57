"""What a process says of itself on /health: that it has begun, takes part and moves, and which servers are away."""

from typing import Final, Literal, Protocol

from fanzgpt_workers.observability.health import Finding, HealthServer

Server = Literal["kafka", "postgresql"]

STILL_SECONDS: Final = 60.0
"""A loop that has not turned for so long will not turn again: its own pauses are seconds."""


class Moving(Protocol):
    """A process as health sees it."""

    def membership(self) -> tuple[bool, str]:
        """Whether it takes part in the work, and how, in words."""
        ...

    def still_seconds(self) -> float:
        """How long its loop has not turned."""
        ...


class Standing:
    """Kept by those who find out, read by whoever asks over HTTP."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self._waiting_for = "starting"
        self._process: Moving | None = None
        self._away: dict[Server, str] = {}

    def watch(self, health: HealthServer) -> None:
        """Answer /health from here: readiness from the beginning on, liveness once the loop runs."""
        health.ready_when("process", self._taking_part)
        health.ready_when("servers", self._reachable)
        health.live_while("loop", self._turning)

    def waits(self, why: str) -> None:
        """The start, or a new one, waits for something."""
        self._process = None
        self._waiting_for = why

    def begun(self, process: Moving) -> None:
        """The start is over."""
        self._process = process

    def away(self, server: Server, error: Exception) -> None:
        """A server could not be used; it is tried again."""
        self._away[server] = str(error)

    def back(self, server: Server) -> None:
        """It has answered."""
        self._away.pop(server, None)

    async def _taking_part(self) -> Finding:
        if self._process is None:
            return Finding(well=False, detail=self._waiting_for)
        well, detail = self._process.membership()
        return Finding(well=well, detail=detail)

    async def _reachable(self) -> Finding:
        if self._away:
            return Finding(well=False, detail="; ".join(self._away.values()))
        return Finding(well=True, detail="none is known to be away")

    async def _turning(self) -> Finding:
        still = 0.0 if self._process is None else self._process.still_seconds()
        return Finding(well=still < STILL_SECONDS, detail=f"turned {still:.1f} s ago")
