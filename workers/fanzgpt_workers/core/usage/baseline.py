"""What is normal for one key, and how far from it a window is."""

from dataclasses import dataclass
from math import sqrt
from typing import Any, Final, Literal, Self

import orjson

from fanzgpt_workers.core.usage.tally import PICO, Tally

Measure = Literal["spend", "errors"]

WEIGHT: Final = 0.1  # of the newest window; the memory is about twenty windows long
CLIP: Final = 3.0  # an outlier moves the normal no further than so many deviations
FEWEST_FAILURES: Final = 5
_LEAST_DEVIATION: Final[dict[Measure, float]] = {"spend": 0.01, "errors": 0.05}
"""Below it nothing is noise worth a person's time: a cent a window, a twentieth of the requests."""


@dataclass(slots=True, kw_only=True)
class Baseline:
    """Mean and variance of one measure over the windows in which the key was active, the newest weighing most."""

    window_end: int = 0
    windows: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def encode(self) -> bytes:
        """As it is kept; `decode` gives it back, to the last bit."""
        return orjson.dumps([self.window_end, self.windows, self.mean, self.variance])

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """What `encode` made."""
        figures: list[Any] = orjson.loads(value)
        end, windows, mean, variance = figures
        return cls(window_end=end, windows=windows, mean=mean, variance=variance)

    def score(self, measured: float, measure: Measure) -> float:
        """How many deviations above the normal."""
        deviation = max(sqrt(self.variance), 0.1 * abs(self.mean), _LEAST_DEVIATION[measure])
        return (measured - self.mean) / deviation

    def learn(self, measured: float, measure: Measure, *, window_end: int) -> None:
        """Count a window in; what is far out only as far as `CLIP` deviations."""
        if self.windows:
            bound = max(sqrt(self.variance), 0.1 * abs(self.mean), _LEAST_DEVIATION[measure]) * CLIP
            step = min(bound, max(-bound, measured - self.mean))
            weight = max(WEIGHT, 1 / (self.windows + 1))
            self.mean += weight * step
            self.variance = (1 - weight) * (self.variance + weight * step * step)
        else:
            self.mean = measured
        self.windows += 1
        self.window_end = window_end


def measured(tally: Tally, measure: Measure) -> float:
    """Dollars, or the share of requests that failed."""
    if measure == "spend":
        return tally.cost_pico / PICO
    return tally.failed / tally.requests if tally.requests else 0.0


def worth_telling(tally: Tally, measure: Measure) -> bool:
    """Whether there is enough of it: one failure of one request is a share of 1 and says nothing."""
    return measure == "spend" or tally.failed >= FEWEST_FAILURES
