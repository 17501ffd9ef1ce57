"""How many output tokens a call of some kind will take: nobody says beforehand, so it is learned."""

from math import sqrt
from typing import Final

_DOUBT: Final = 1
"""As many calls as the first guess counts for. The guess is all that a call may take: what is too much is given back at
the call's end, while too little is a limit broken by every call under way."""
_WEIGHT: Final = 0.05
_CAUTION: Final = 1.25
"""Deviations by which the sum of the calls under way may be more than so many means: one minute in ten has more."""


class Expected:
    """Mean and deviation of the last calls' outputs: of all at first, of about the last forty later.

    Calls under way may be longer than the last ones were. The doubt about their sum grows with the root of their
    number, so each is expected to take the mean and its share of that doubt.
    """

    def __init__(self, most: int) -> None:
        """`most` is what the first call may take."""
        self._mean = float(most)
        self._variance = 0.0
        self._calls = 0
        self._under_way = 0

    def at_most(self, most: int, *, ahead: int = 0) -> int:
        """The output expected of a call that may take so many tokens, with so many to begin before it."""
        return min(most, round(self._mean + _CAUTION * sqrt(self._variance / (1 + self._under_way + ahead))))

    def begins(self) -> None:
        """A call is under way."""
        self._under_way += 1

    def ends(self, output: int | None) -> None:
        """A call took so many; None where nobody said."""
        self._under_way -= 1
        if output is None:
            return
        self._calls += 1
        weight, wrong = max(_WEIGHT, 1 / (self._calls + _DOUBT)), output - self._mean
        self._mean += weight * wrong
        self._variance += weight * (wrong * (output - self._mean) - self._variance)
