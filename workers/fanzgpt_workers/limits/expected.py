"""What a call of some kind will take: nobody says beforehand, so it is learned."""

from math import sqrt
from typing import Final

from fanzgpt_workers.core.attempts import CHARACTERS_PER_TOKEN
from fanzgpt_workers.core.load import Load

_MEMORY: Final = 0.02
"""Weight of the newest call: the last hundred or so count."""


class Expected:
    """Mean and variance of the outputs, and characters per input token: of all calls at first, of the last ones later.

    The first guess is all that a call may take, and counts for one call: what is too much is given back at the call's
    end, while too little is a limit broken by every call under way. The mean is known the better the more calls there
    were; how well is a doubt that all calls under way share.
    """

    __slots__ = ("_calls", "_characters", "_mean", "_variance")

    def __init__(self, most: int) -> None:
        """`most` is what the first call may take."""
        self._mean = float(most)
        self._variance = 0.0
        self._calls = 0
        self._characters = float(CHARACTERS_PER_TOKEN)

    def load(self, *, prompt_characters: int, most: int) -> Load:
        """What a call will take that may answer with so many tokens."""
        mean = min(most, round(self._mean))
        doubt = sqrt(self._variance * max(_MEMORY, 1 / (self._calls + 1)))
        return Load(
            requests=1,
            input=round(prompt_characters / self._characters),
            output=mean,
            expected=mean,
            variance=round(self._variance),
            most=most,
            shared=round(doubt),
        )

    def ended(self, *, prompt_characters: int, input_tokens: int, output_tokens: int) -> None:
        """A call took so many."""
        self._calls += 1
        weight, wrong = max(_MEMORY, 1 / (self._calls + 1)), output_tokens - self._mean
        self._mean += weight * wrong
        self._variance += weight * (wrong * (output_tokens - self._mean) - self._variance)
        if input_tokens > 0 and prompt_characters > 0:
            self._characters += _MEMORY * (prompt_characters / input_tokens - self._characters)
