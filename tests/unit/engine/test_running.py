"""What the engine begins, in which order, how much at once, and what it commits."""

from aiokafka.errors import KafkaError
from tests.unit.engine.driven import P0, P1, Driven
from tests.unit.virtually import on_virtual_time

from fanzgpt_workers.engine.book import Room


@on_virtual_time
async def test_one_lane_runs_one_after_another_and_the_others_beside_it() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0, 1, 2], lane="conversation")
    driven.consumer.write(P0, [3, 4])
    await driven.begin(P0)
    assert sorted(driven.work.begun) == [0, 3, 4]
    driven.work.end(3, 0)
    await driven.passing(1)
    assert sorted(driven.work.begun) == [0, 1, 3, 4]
    driven.work.end(1)
    await driven.passing(1)
    assert driven.work.begun[-1] == 2


@on_virtual_time
async def test_a_commit_stops_at_the_first_record_that_is_not_done_whatever_gaps_the_log_has() -> None:
    driven = Driven()
    driven.consumer.write(P0, [2, 3, 7, 9])
    await driven.begin(P0)
    driven.work.end(3, 9)
    await driven.passing(2)
    assert driven.consumer.committed == {P0: 2}
    driven.work.end(2)
    await driven.passing(2)
    assert driven.consumer.committed == {P0: 7}
    driven.work.end(7)
    await driven.passing(2)
    assert driven.consumer.committed == {P0: 10}


@on_virtual_time
async def test_what_has_not_moved_is_not_committed_again() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0])
    await driven.begin(P0)
    driven.work.end(0)
    await driven.passing(10)
    assert driven.consumer.commits[-1] == {P0: 1}
    assert driven.consumer.commits.count({P0: 1}) == 1


@on_virtual_time
async def test_a_commit_that_is_not_answered_well_is_tried_again() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0, 1])
    driven.consumer.refusing = KafkaError("the coordinator is away")
    await driven.begin(P0)
    driven.work.end(0)
    await driven.passing(3)
    assert driven.told.refused
    driven.consumer.write(P0, [2])
    await driven.passing(1)
    assert driven.work.begun == [0, 1, 2]
    driven.consumer.refusing = None
    await driven.passing(2)
    assert driven.consumer.committed == {P0: 1}


@on_virtual_time
async def test_no_more_runs_at_once_than_the_ceiling() -> None:
    driven = Driven(in_flight=2)
    driven.consumer.write(P0, range(5))
    await driven.begin(P0)
    assert driven.work.begun == [0, 1]
    assert (driven.engine.running, driven.engine.waiting) == (2, 3)
    driven.work.end(1)
    await driven.passing(1)
    assert driven.work.begun == [0, 1, 2]


@on_virtual_time
async def test_a_partition_without_room_is_not_read_and_holds_up_no_other() -> None:
    driven = Driven(in_flight=1, room=Room(waiting_per_partition=2))
    driven.consumer.write(P0, range(4))
    await driven.begin(P0, P1)
    driven.consumer.write(P0, [10])
    await driven.passing(1)
    assert driven.consumer.asked_for[-1] == {P1}
    driven.consumer.write(P1, [20])
    await driven.passing(1)
    assert driven.engine.waiting == 4
    for _ in range(6):
        driven.work.end(driven.work.begun[-1])
        await driven.passing(1)
    assert sorted(driven.work.begun) == [0, 1, 2, 3, 10, 20]
    assert driven.consumer.asked_for[-1] == {P0, P1}


@on_virtual_time
async def test_a_record_that_is_slow_bounds_what_is_read_beyond_it() -> None:
    driven = Driven(in_flight=100, room=Room(uncommitted_per_partition=3))
    driven.consumer.write(P0, range(3))
    await driven.begin(P0)
    driven.consumer.write(P0, range(3, 9))
    driven.work.end(1, 2)
    await driven.passing(1)
    assert driven.work.begun == [0, 1, 2]
    driven.work.end(0)
    await driven.passing(1)
    assert driven.work.begun == list(range(9))


@on_virtual_time
async def test_bytes_that_wait_are_bounded_over_all_partitions() -> None:
    driven = Driven(in_flight=1, room=Room(waiting_bytes=1_000))
    driven.consumer.write(P0, [0, 1], size=2_000)
    await driven.begin(P0, P1)
    driven.consumer.write(P1, [0])
    asked = len(driven.consumer.asked_for)
    await driven.passing(2)
    assert len(driven.consumer.asked_for) == asked
    driven.work.end(0)
    await driven.passing(1)
    assert driven.consumer.asked_for[-1] == {P0, P1}


@on_virtual_time
async def test_records_that_wait_are_bounded_over_all_partitions_and_none_takes_anothers_room() -> None:
    driven = Driven(in_flight=1, room=Room(waiting_in_all=10))
    driven.consumer.write(P0, range(1_000))
    await driven.begin(P0, P1)
    await driven.passing(5)
    waiting = driven.engine.waiting
    assert waiting < 10
    driven.consumer.write(P1, [5_000])
    await driven.passing(1)
    assert driven.engine.waiting == waiting + 1
    while driven.work.running:
        driven.work.end(*driven.work.running)
        await driven.passing(0.5)
    assert sorted(driven.work.begun) == [*range(1_000), 5_000]


@on_virtual_time
async def test_large_records_of_one_partition_leave_another_its_share_of_the_bytes() -> None:
    driven = Driven(in_flight=1, room=Room(waiting_bytes=10_000))
    driven.consumer.write(P0, range(4), size=2_500)
    await driven.begin(P0, P1)
    driven.consumer.write(P0, [9], size=2_500)
    driven.consumer.write(P1, [20])
    await driven.passing(1)
    assert driven.consumer.asked_for[-1] == {P1}
    assert driven.engine.waiting == 4


@on_virtual_time
async def test_a_record_that_comes_twice_in_one_assignment_runs_once() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0, 1])
    await driven.begin(P0)
    driven.consumer.seek(P0, 0)
    await driven.passing(1)
    assert driven.work.begun == [0, 1]


@on_virtual_time
async def test_the_age_of_the_oldest_work_is_told() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0])
    await driven.begin(P0)
    await driven.passing(30)
    assert driven.engine.oldest_seconds > 30
    assert driven.engine.membership() == (True, "1 partitions, 1 requests under way, 0 wait")
    driven.work.end(0)
    await driven.passing(1)
    assert driven.engine.oldest_seconds == 0
