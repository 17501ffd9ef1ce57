"""What calls take of a provider's limits, and whether so much fits.

Nobody says beforehand how long an answer will be. A call under way is therefore taken for what calls like it took on
average, with the doubt about it: the limit is kept when what is expected stays within it, and what is likely at most
stays within `TOLERANCE` of it.
"""

from dataclasses import dataclass
from math import sqrt
from operator import add, sub
from typing import Final, NamedTuple

UNLIMITED: Final = 10**15
TOLERANCE: Final = 1.02
DEVIATIONS: Final = 3.5
"""Less than one sum of answers in four thousand is further from its mean than so many normal deviations."""


class Load(NamedTuple):
    """What some calls take, added up. Tokens are whole numbers.

    `output` holds what ended calls took and what those under way are expected to take; the other fields speak of the
    latter alone: `expected` is their part of `output`, `variance` the sum of their own variances, `most` what they can
    take at most, and `shared` the doubt that they have in common (their mean is an estimate, too), in deviations.
    """

    requests: int = 0
    input: int = 0
    output: int = 0
    expected: int = 0
    variance: int = 0
    most: int = 0
    shared: int = 0

    def plus(self, other: "Load") -> "Load":
        """Both together."""
        return Load(*map(add, self, other))

    def minus(self, other: "Load") -> "Load":
        """This without the other."""
        return Load(*map(sub, self, other))

    def ended(self, *, input_tokens: int, output_tokens: int) -> "Load":
        """By how much one call's load changes when the truth is known."""
        return Load(0, input_tokens, output_tokens).minus(self._replace(requests=0))

    @property
    def likely_output(self) -> float:
        """The output that is hardly ever exceeded."""
        return self.output - self.expected + likely(self.expected, self.variance + self.shared**2, self.most)


NOTHING: Final = Load()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a provider allows in any minute, to all workers together. `tokens` are input and output in one.

    `concurrent` is how many calls it allows at once.
    """

    requests: int = UNLIMITED
    tokens: int = UNLIMITED
    input_tokens: int = UNLIMITED
    output_tokens: int = UNLIMITED
    concurrent: int = UNLIMITED

    def admits(self, load: Load) -> bool:
        """Whether a minute may hold so much."""
        likely_output = load.likely_output
        return (
            load.requests <= self.requests
            and load.input <= self.input_tokens
            and load.output <= self.output_tokens
            and likely_output <= TOLERANCE * self.output_tokens
            and load.input + load.output <= self.tokens
            and load.input + likely_output <= TOLERANCE * self.tokens
        )

    def share(self, workers: int) -> "Limit":
        """One worker's part of it."""
        return Limit(
            requests=max(1, self.requests // workers),
            tokens=max(1, self.tokens // workers),
            input_tokens=max(1, self.input_tokens // workers),
            output_tokens=max(1, self.output_tokens // workers),
            concurrent=max(1, self.concurrent // workers),
        )

    def within(self, other: "Limit") -> "Limit":
        """The stricter of both, part by part."""
        return Limit(
            requests=min(self.requests, other.requests),
            tokens=min(self.tokens, other.tokens),
            input_tokens=min(self.input_tokens, other.input_tokens),
            output_tokens=min(self.output_tokens, other.output_tokens),
            concurrent=min(self.concurrent, other.concurrent),
        )


def likely(mean: float, variance: float, most: float) -> float:
    """What a sum of answers is hardly ever above: lengths are skewed, so it is taken for gamma distributed.

    Its quantile is the cube of a normal one (Wilson and Hilferty, "The Distribution of Chi-Square", 1931).
    """
    if variance <= 0 or mean <= 0:
        return min(mean, most) if most else mean
    shape = mean * mean / variance
    root = 1 - 1 / (9 * shape) + DEVIATIONS / (3 * sqrt(shape))
    return min(most, mean * max(root, 1.0) ** 3)
