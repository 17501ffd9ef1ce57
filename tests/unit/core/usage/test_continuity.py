"""Whatever a reader leaves out, a shard takes every record that the log holds, once, in order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.core.usage.continuity import TRIES, Continuity


def test_a_record_that_was_left_out_is_read_again_and_those_behind_it_wait() -> None:
    continuity = Continuity()
    assert continuity.way(0, last=4, offset=5) == "take"
    assert continuity.way(0, last=5, offset=8) == "read-again"
    assert [continuity.way(0, last=5, offset=offset) for offset in (9, 10)] == ["pass", "pass"]
    assert [continuity.way(0, last=offset - 1, offset=offset) for offset in (6, 7, 8, 9)] == ["take"] * 4


def test_what_the_log_does_not_hold_is_passed_in_the_end() -> None:
    continuity = Continuity()
    ways = [continuity.way(3, last=5, offset=8) for _ in range(TRIES + 1)]
    assert ways == ["read-again"] * TRIES + ["take"]


def test_the_first_records_are_missed_as_any_other_and_what_comes_twice_is_known() -> None:
    continuity = Continuity()
    assert continuity.way(0, last=-1, offset=2) == "read-again"
    assert [continuity.way(0, last=offset - 1, offset=offset) for offset in (0, 1, 2)] == ["take"] * 3
    assert continuity.way(0, last=70, offset=12) == "take"  # the shard knows it for replayed


def test_a_log_begins_where_it_begins() -> None:
    assert Continuity().way(0, last=69, offset=70) == "take"


def test_partitions_do_not_know_each_other_and_a_move_forgets() -> None:
    continuity = Continuity()
    assert continuity.way(0, last=5, offset=8) == "read-again"
    assert continuity.way(1, last=5, offset=8) == "read-again"
    continuity.forget()
    assert [continuity.way(0, last=5, offset=8) for _ in range(TRIES)] == ["read-again"] * TRIES


@given(seed=st.integers(0, 2**32), length=st.integers(1, 60), holes=st.sets(st.integers(1, 59)))
def test_a_reader_that_leaves_out_what_it_likes_once_is_brought_to_read_everything(
    seed: int, length: int, holes: set[int]
) -> None:
    chance, continuity = random.Random(seed), Continuity()
    log = [offset for offset in range(length) if offset not in holes]
    taken: list[int] = []
    sent_back, place = False, 0
    while (last := taken[-1] if taken else -1) < log[-1]:
        if not sent_back and chance.random() < 0.3:
            place += chance.randrange(1, 4)
        if place >= len(log):  # nothing comes any more: who looks at the log's end sends it back
            place, sent_back = next(n for n, offset in enumerate(log) if offset > last), True
        match continuity.way(0, last=last, offset=log[place]):
            case "take":
                taken.append(log[place])
                sent_back = False
                place += 1
            case "read-again":
                place, sent_back = next(n for n, offset in enumerate(log) if offset > last), True
            case "pass":
                place += 1
    assert taken == log
