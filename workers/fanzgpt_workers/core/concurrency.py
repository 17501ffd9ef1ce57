"""How many calls at once a provider bears whose limits nobody knows: found out as TCP finds out about a network."""

from typing import Final

from fanzgpt_workers.core.attempts import Outcome

TOO_MUCH: Final[frozenset[Outcome]] = frozenset({"throttled", "overloaded"})
DECREASE: Final = 0.7
FORGET: Final = 4.0
"""A window that has grown to so many times what was refused bounds nothing any more."""


class Window:
    """Additive increase, multiplicative decrease (Jacobson, "Congestion Avoidance and Control", 1988).

    There is no bound until a call is refused. A refusal takes the window to 0.7 of what was under way, once for each
    flight: what had been sent before the last decrease says nothing about it. Every answer while the window is full
    widens it by one part in its size, one call more for each round of them.
    """

    __slots__ = ("_flight", "_refused_at", "in_flight", "size")

    def __init__(self) -> None:
        """Without a bound."""
        self.size: float | None = None
        self.in_flight = 0
        self._flight = 0
        self._refused_at = 0

    @property
    def has_room(self) -> bool:
        """Whether another call may begin."""
        return self.size is None or self.in_flight < int(self.size)

    def begun(self) -> int:
        """A call begins; its flight, to be told when it ends."""
        self.in_flight += 1
        return self._flight

    def ended(self, flight: int, outcome: Outcome) -> None:
        """A call of that flight is over."""
        was_full, under_way = not self.has_room, self.in_flight
        self.in_flight -= 1
        if outcome in TOO_MUCH:
            if flight == self._flight:
                self._flight += 1
                self._refused_at = under_way
                self.size = max(1.0, under_way * DECREASE)
        elif outcome == "ok" and self.size is not None and was_full:
            self.size += 1 / self.size
            if self.size >= FORGET * self._refused_at:
                self.size = None
