"""Where a group stands in one partition, and what to think of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from fanzgpt_workers.core.origin import Partition

Status: TypeAlias = Literal["OK", "WARN", "STALLED", "STOPPED"]
Place: TypeAlias = Literal["gathered", "batched", "alone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One group in one partition at one instant.

    `position` is the next offset to be done, `end` the next to be written; `records` what lies between. `seconds` is
    the age of the record at the position: 0 when nothing lies between, None when no record could be read there (what
    lies between is gone by compaction, or not committed). `owner` is the member that holds the partition, as
    `client@host`. `commit_gap` counts requests done above the position, `in_flight` those that are not; None where
    nobody can tell.
    """

    group: str
    partition: Partition
    position: int
    end: int
    seconds: float | None
    owner: str | None = None
    commit_gap: int | None = None
    in_flight: int | None = None
    oldest_in_flight_seconds: float | None = None

    @property
    def records(self) -> int:
        """Records behind."""
        return max(self.end - self.position, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batched:
    """Requests of the half-price lane that wait at one place: their records are done, so that no group is behind.

    `gathered`: for a batch. `batched`: in one, at the provider. `alone`: to be called for by themselves after all.
    `oldest_seconds` is how long the first of them has waited, `first_deadline` the earliest that any has.
    """

    provider: str
    model: str
    place: Place
    requests: int
    oldest_seconds: float
    first_deadline: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Seconds. `late`: an age that is worth a look. `still`: how long the oldest record may stay the oldest."""

    late: float = 60.0
    still: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LagReport:
    """Every standing at one instant, sorted by group and partition; `members` counts each group's.

    `batched` is what waits in the half-price lane, sorted by provider, model and place. `waiting_for` counts what waits
    inside the generation workers by its cause; None where nobody can tell.
    """

    at: datetime
    standings: tuple[Standing, ...]
    members: dict[str, int]
    batched: tuple[Batched, ...] = ()
    waiting_for: Mapping[str, int] | None = None


def judge(window: Sequence[Standing], thresholds: Thresholds) -> Status:
    """The status of the last of some standings of one group in one partition, oldest first; one is enough.

    OK: nothing is late. WARN: late, and still moving. STALLED: has an owner, but the oldest record has been the oldest
    for too long and the position does not move. STOPPED: there is work and nobody to do it.
    """
    now = window[-1]
    if now.records == 0 or now.seconds is None:
        return "OK"
    if now.owner is None:
        return "STOPPED"
    moves = any(
        earlier.position != now.position or (earlier.commit_gap or 0) < (now.commit_gap or 0) for earlier in window[:-1]
    )
    if now.seconds >= thresholds.still and len(window) > 1 and not moves:
        return "STALLED"
    return "WARN" if now.seconds >= thresholds.late else "OK"
