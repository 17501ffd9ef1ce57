"""The tracker against a model that remembers everything."""

from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.core.offsets import OffsetTracker


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Offsets with gaps as a log has them, and the order in which they finish (some never)."""
    start = draw(st.integers(0, 2**40))
    gaps = draw(st.lists(st.integers(1, 5), min_size=1, max_size=40))
    offsets, at = [], start
    for gap in gaps:
        offsets.append(at)
        at += gap
    finished = draw(st.lists(st.sampled_from(offsets), max_size=80))
    return offsets, finished


@given(histories())
def test_the_commit_is_the_first_offset_that_is_not_done(history: tuple[list[int], list[int]]) -> None:
    offsets, finished = history
    tracker = OffsetTracker()
    assert tracker.committable is None
    for offset in offsets:
        assert tracker.take(offset)
    done: set[int] = set()
    for offset in finished:
        tracker.done(offset)
        done.add(offset)
        expected = next((o for o in offsets if o not in done), offsets[-1] + 1)
        assert tracker.committable == expected
        assert tracker.gap == len([o for o in done if o > expected])


@given(histories(), st.randoms(use_true_random=False))
def test_takes_and_completions_interleave_without_passing_a_running_record(
    history: tuple[list[int], list[int]], random: object
) -> None:
    offsets, _ = history
    tracker, running, last = OffsetTracker(), [], -1
    for offset in offsets:
        tracker.take(offset)
        running.append(offset)
        if random.random() < 0.6:  # type: ignore[attr-defined]  # hypothesis hands out random.Random
            tracker.done(running.pop(random.randrange(len(running))))  # type: ignore[attr-defined]  # as above
        committable = tracker.committable
        assert committable is not None
        assert committable >= last
        assert all(committable <= o for o in running)
        last = committable


def test_a_repeat_of_a_record_already_taken_is_refused() -> None:
    tracker = OffsetTracker()
    assert tracker.take(7)
    assert not tracker.take(7)
    assert not tracker.take(3)
    tracker.done(7)
    assert not tracker.take(7)
    assert tracker.committable == 8


def test_a_late_completion_of_a_record_never_taken_changes_nothing() -> None:
    tracker = OffsetTracker()
    tracker.done(5)
    tracker.take(10)
    tracker.done(9)
    tracker.done(11)
    assert tracker.committable == 10


def test_a_fresh_group_holds_at_its_first_running_record() -> None:
    """The case that a tracker without a lower bound gets wrong: offset 0 runs, 1 to 3 are done."""
    tracker = OffsetTracker()
    for offset in range(4):
        tracker.take(offset)
    for offset in (1, 2, 3):
        tracker.done(offset)
    assert tracker.committable == 0
    tracker.done(0)
    assert tracker.committable == 4
    assert tracker.taken == 0
