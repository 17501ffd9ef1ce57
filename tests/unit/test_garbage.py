"""Garbage is looked for seldom, and still found."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from fanzgpt_workers.garbage import OLDER_ROUNDS, YOUNG_OBJECTS, look_for_garbage_seldom


class Ring:
    """An object that only the collector can free."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def interpreter_as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_is_there_at_the_start_is_looked_through_no_more() -> None:
    look_for_garbage_seldom()
    assert gc.get_freeze_count() > 0
    assert len(gc.get_objects()) < gc.get_freeze_count()
    assert gc.get_threshold() == (YOUNG_OBJECTS, OLDER_ROUNDS, OLDER_ROUNDS)


def test_a_cycle_made_later_is_found_within_so_many_objects() -> None:
    look_for_garbage_seldom()
    gone = weakref.ref(Ring())
    kept: list[list[int]] = [[] for _ in range(YOUNG_OBJECTS + 1_000)]
    assert gone() is None
    assert kept
