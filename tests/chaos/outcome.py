"""What a scenario came to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One scenario's faults, counts and misses; seconds are those of the longest wait.

    `standstill_seconds`: no request ended for so long while there was work. `recovery_seconds`: from the end of a fault
    to the next ending. None where there was nothing to measure.
    """

    scenario: str
    seed: int
    seconds: float
    fired: Mapping[str, int]
    counts: Mapping[str, int | str]
    misses: tuple[str, ...]
    standstill_seconds: float = 0.0
    recovery_seconds: float | None = None
    notes: Mapping[str, float] = field(default_factory=dict)

    def with_misses(self, more: Iterable[str]) -> Self:
        """The same, with these beside what was missed already."""
        return replace(self, misses=(*self.misses, *more))

    @property
    def verdict(self) -> str:
        """`kept`, `missed`, or `invalid` where a fault that the scenario is about never happened."""
        if any(miss.startswith(INVALID) for miss in self.misses):
            return "invalid"
        return "missed" if self.misses else "kept"


INVALID = "INVALID"


def never_fired(fired: Mapping[str, int], required: Mapping[str, int]) -> Iterable[str]:
    """A miss for each fault that happened less often than it had to: such a run shows nothing."""
    for fault, least in required.items():
        if fired.get(fault, 0) < least:
            yield f"{INVALID}: {fault} happened {fired.get(fault, 0)} times, not {least}"
