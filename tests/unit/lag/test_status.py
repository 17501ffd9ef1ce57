"""What to think of a group's standing, from one look or several."""

import pytest

from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.lag.standing import Standing, Status, Thresholds, judge

THRESHOLDS = Thresholds(late=60, still=120)


def standing(
    *,
    position: int = 10,
    end: int = 20,
    seconds: float | None = 5.0,
    owner: str | None = "a@host",
    gap: int | None = None,
) -> Standing:
    return Standing(
        group="g", partition=Partition("t", 0), position=position, end=end, seconds=seconds, owner=owner, commit_gap=gap
    )


@pytest.mark.parametrize(
    ("window", "status"),
    [
        pytest.param([standing(end=10, seconds=0, owner=None)], "OK", id="nothing to do, and nobody there"),
        pytest.param([standing(seconds=None)], "OK", id="nothing that can be read"),
        pytest.param([standing(seconds=59)], "OK", id="young"),
        pytest.param([standing(seconds=60)], "WARN", id="late"),
        pytest.param([standing(seconds=1, owner=None)], "STOPPED", id="work, and nobody to do it"),
        pytest.param([standing(seconds=500)], "WARN", id="one look cannot tell stillness"),
        pytest.param([standing(seconds=498), standing(seconds=500)], "STALLED", id="late and still"),
        pytest.param([standing(seconds=100), standing(seconds=102)], "WARN", id="still, but not for long"),
        pytest.param([standing(seconds=498, position=9), standing(seconds=500)], "WARN", id="late and moving"),
        pytest.param(
            [standing(seconds=498, gap=3), standing(seconds=500, gap=4)], "WARN", id="moving above the commit"
        ),
    ],
)
def test_the_status_says_what_a_person_has_to_do(window: list[Standing], status: Status) -> None:
    assert judge(window, THRESHOLDS) == status


def test_records_behind_are_never_negative() -> None:
    assert standing(position=30, end=20).records == 0
