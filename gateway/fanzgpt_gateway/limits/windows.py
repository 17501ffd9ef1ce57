"""A window that slides: at most so many requests within the last so many seconds, at every moment.

A request repeated under its id is the same request and costs nothing; repetitions have a bound of their own, so that
they are no way around the limit.
"""

from dataclasses import dataclass
from typing import Final, Protocol

REPEATS_PER_REQUEST: Final = 10
"""How many repetitions a window takes for each request it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a user may ask: at most `requests` within any `seconds`."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Whether a request may go on, and how the window stands after it.

    `reset_seconds` is when the oldest request leaves the window, which makes room for one; at least 1.
    """

    admitted: bool
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """The same for the caller."""
        told = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
            "RateLimit-Policy": f"{self.limit};w={self.window_seconds}",
        }
        return told if self.admitted else {**told, "Retry-After": str(self.reset_seconds)}


class Windows(Protocol):
    """The windows of all users."""

    async def admit(self, subject: str, request_id: str, allowance: Allowance) -> Admission:
        """Count a request of `subject`, unless it is one that was counted before or one too many."""
        ...

    async def counted(self, subject: str, request_id: str, allowance: Allowance) -> bool:
        """Whether a request of this id was admitted within the present window."""
        ...
