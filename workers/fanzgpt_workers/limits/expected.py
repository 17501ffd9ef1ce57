"""How many output tokens a call of some kind will take: nobody says beforehand, so it is learned."""

from typing import Final

_DOUBT: Final = 1
"""As many calls as the first guess counts for. The guess is all that a call may take: what is too much is given back at
the call's end, while too little is a limit broken by every call under way."""
_WEIGHT: Final = 0.05
_MARGIN: Final = 1.25
"""Calls under way may be longer than the last ones were, and many are under way when a minute begins."""


class Expected:
    """The mean of the last calls' outputs: of all at first, of about the last forty later."""

    __slots__ = ("_calls", "_mean")

    def __init__(self, most: int) -> None:
        """`most` is what the first call may take."""
        self._mean = float(most)
        self._calls = 0

    def at_most(self, most: int) -> int:
        """The output expected of a call that may take so many tokens."""
        return min(most, round(_MARGIN * self._mean))

    def learn(self, output: int) -> None:
        """A call took so many."""
        self._calls += 1
        self._mean += max(_WEIGHT, 1 / (self._calls + _DOUBT)) * (output - self._mean)
