"""Partitions that come and go, groups that go on without us, standstills, failures and the end."""

import asyncio

import pytest
from tests.unit.engine.driven import DRAIN_SECONDS, P0, P1, Driven
from tests.unit.virtually import on_virtual_time

from fanzgpt_workers.records import Handled


@on_virtual_time
async def test_before_partitions_go_what_runs_ends_and_is_committed_and_nothing_begins() -> None:
    driven = Driven(in_flight=1)
    driven.consumer.write(P0, [0, 1])
    await driven.begin(P0)
    going = asyncio.create_task(driven.consumer.revoke())
    await driven.passing(1)
    assert not going.done()
    driven.work.end(0)
    await going
    assert driven.consumer.committed == {P0: 1}
    await driven.passing(5)
    assert driven.work.begun == [0]
    assert driven.told.drains == [0]
    assert driven.engine.waiting == 0
    assert driven.engine.book.waiting_bytes == 0


@on_virtual_time
async def test_a_partition_that_comes_back_begins_where_the_group_stands() -> None:
    driven = Driven(in_flight=1)
    driven.consumer.write(P0, [0, 1])
    await driven.begin(P0)
    going = asyncio.create_task(driven.consumer.revoke())
    await driven.passing(1)
    driven.work.end(0)
    await going
    await driven.consumer.assign(P0)
    await driven.passing(1)
    assert driven.work.begun == [0, 1]


@on_virtual_time
async def test_work_that_outlasts_the_drain_goes_on_and_commits_nothing() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0])
    await driven.begin(P0)
    await driven.consumer.revoke()
    assert driven.told.drains == [1]
    commits = list(driven.consumer.commits)
    driven.work.end(0)
    await driven.passing(5)
    assert driven.consumer.commits == commits


@on_virtual_time
async def test_a_record_that_comes_back_while_its_late_work_runs_is_not_begun_again() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0, 1])
    await driven.begin(P0)
    driven.work.end(1)
    await driven.consumer.revoke()
    await driven.consumer.assign(P0)
    await driven.passing(1)
    assert driven.work.begun == [0, 1, 1]
    driven.work.end(0, 1)
    await driven.passing(2)
    assert driven.work.begun == [0, 1, 1]
    assert driven.consumer.committed == {P0: 2}


@on_virtual_time
async def test_what_was_let_go_is_begun_again_before_the_next_of_its_lane() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0, 1], lane="conversation")
    await driven.begin(P0)
    driven.work.end(0, handled=Handled.LET_GO)
    await driven.passing(1)
    assert driven.work.begun == [0, 0]
    assert driven.consumer.commits[-1] == {P0: 0}
    driven.work.end(0)
    await driven.passing(1)
    assert driven.work.begun == [0, 0, 1]


@on_virtual_time
async def test_what_was_let_go_by_a_member_that_is_out_is_not_taken_back() -> None:
    driven = Driven(in_flight=1)
    driven.consumer.write(P0, [0, 1, 2])
    await driven.begin(P0)
    driven.consumer.leave_behind()
    driven.work.end(0, handled=Handled.LET_GO)
    await driven.passing(5)
    assert driven.work.begun == [0]
    driven.consumer.refusing = None
    await driven.consumer.revoke()
    await driven.consumer.assign(P0)
    await driven.passing(1)
    assert driven.work.begun == [0, 0]


@on_virtual_time
async def test_after_a_commit_that_the_group_refuses_nothing_begins_before_the_next_assignment() -> None:
    driven = Driven(in_flight=1)
    driven.consumer.write(P0, [0, 1])
    await driven.begin(P0)
    driven.consumer.leave_behind()
    await driven.passing(2)
    driven.work.end(0)
    await driven.passing(5)
    driven.consumer.write(P0, [2])
    await driven.passing(5)
    assert driven.work.begun == [0]
    driven.consumer.refusing = None
    await driven.consumer.revoke()
    await driven.consumer.assign(P1)
    driven.consumer.write(P1, [7])
    await driven.passing(1)
    assert driven.work.begun == [0, 7]


@on_virtual_time
async def test_a_commit_of_an_earlier_assignment_that_is_refused_late_holds_up_nothing() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0])
    await driven.begin(P0)
    driven.consumer.answering.clear()
    driven.work.end(0)
    await driven.passing(2)  # a commit is under way
    going = asyncio.create_task(driven.consumer.revoke())
    await driven.passing(1)
    driven.consumer.leave_behind()
    driven.engine.book.revoke([])  # the next epoch begins before the answers come
    driven.consumer.answering.set()
    await going
    driven.consumer.refusing = None
    await driven.consumer.assign(P0)
    await driven.passing(1)
    assert driven.work.begun == [0, 0]


@on_virtual_time
async def test_after_a_standstill_nothing_begins_until_the_group_has_been_asked() -> None:
    driven = Driven(in_flight=1)
    driven.consumer.write(P0, [0, 1])
    await driven.begin(P0)
    driven.consumer.answering.clear()
    asyncio.get_running_loop().now += 60  # type: ignore[attr-defined]  # the process was stopped for a minute
    driven.work.end(0)
    await driven.passing(5)
    assert driven.work.begun == [0]
    driven.consumer.answering.set()
    await driven.passing(1)
    assert driven.work.begun == [0, 1]


@on_virtual_time
async def test_a_stop_does_not_wait_for_a_group_that_gives_no_answer_after_a_standstill() -> None:
    driven = Driven(in_flight=1)
    driven.consumer.write(P0, [0, 1])
    await driven.begin(P0)
    driven.consumer.answering.clear()
    asyncio.get_running_loop().now += 60  # type: ignore[attr-defined]
    driven.work.end(0)
    await driven.passing(20)
    assert driven.work.begun == [0]
    driven.engine.stop()
    await driven.passing(2)
    driven.consumer.answering.set()  # the last commit of all is waited for
    await driven.passing(5)
    assert driven.ended.done()
    assert driven.work.begun == [0]
    assert driven.consumer.committed == {P0: 1}
    assert not driven.consumer.is_cut_off


@on_virtual_time
async def test_a_stop_waits_for_the_last_commit_for_five_seconds_and_then_cuts_the_consumer_off() -> None:
    driven = Driven(in_flight=1)
    driven.consumer.write(P0, [0])
    await driven.begin(P0)
    driven.work.end(0)
    driven.consumer.answering.clear()
    await driven.passing(0.1)
    driven.engine.stop()
    await driven.passing(4)
    assert not driven.ended.done()
    await driven.passing(3)
    assert driven.ended.done()
    assert driven.consumer.is_cut_off
    assert driven.consumer.committed == {}


@on_virtual_time
async def test_a_member_whose_group_answers_no_commit_says_so_and_can_end_without_it() -> None:
    driven = Driven(in_flight=1)
    driven.consumer.write(P0, [0])
    await driven.begin(P0)
    driven.consumer.answering.clear()
    driven.work.end(0)
    await driven.passing(2)
    assert driven.engine.membership()[0]
    driven.engine.renew()
    await driven.passing(1)
    assert driven.ended.done()
    assert driven.consumer.is_cut_off


@on_virtual_time
async def test_after_a_standstill_a_member_that_is_out_begins_nothing() -> None:
    driven = Driven(in_flight=1)
    driven.consumer.write(P0, [0, 1])
    await driven.begin(P0)
    driven.consumer.leave_behind()
    asyncio.get_running_loop().now += 60  # type: ignore[attr-defined]
    driven.work.end(0)
    await driven.passing(30)
    assert driven.work.begun == [0]


@on_virtual_time
async def test_a_fetch_that_outlasts_a_rebalance_brings_what_the_new_assignment_begins_with() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0])
    await driven.begin(P0, P1)
    driven.consumer.arriving.clear()
    driven.consumer.write(P0, [1])
    await driven.passing(1)  # it is on its way
    going = asyncio.create_task(driven.consumer.revoke())
    await driven.passing(1)
    driven.work.end(0, handled=Handled.LET_GO)
    await going
    await driven.consumer.assign(P0)
    assert driven.consumer.positions == {P0: 0}
    driven.consumer.arriving.set()
    await driven.passing(1)
    assert driven.work.begun == [0, 0, 1]


@on_virtual_time
async def test_what_is_handed_out_before_the_assignment_is_told_is_fetched_again() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0])
    await driven.begin(P0)
    driven.work.end(0)
    await driven.passing(2)
    driven.consumer.arriving.clear()
    driven.consumer.write(P0, [1])
    await driven.passing(1)  # a fetch is under way
    await driven.consumer.revoke()
    driven.consumer.give(P0)
    driven.consumer.arriving.set()
    await driven.passing(1)
    assert driven.work.begun == [0]
    await driven.consumer.tell()
    await driven.passing(1)
    assert driven.work.begun == [0, 1]


@on_virtual_time
async def test_a_stop_waits_for_what_runs_commits_it_and_leaves() -> None:
    driven = Driven(in_flight=1)
    driven.consumer.write(P0, [0, 1])
    await driven.begin(P0)
    driven.engine.stop()
    await driven.passing(1)
    assert not driven.ended.done()
    driven.work.end(0)
    await driven.ended
    assert driven.work.begun == [0]
    assert driven.consumer.committed == {P0: 1}
    assert driven.consumer.is_stopped


@on_virtual_time
async def test_a_stop_breaks_off_what_outlasts_the_drain() -> None:
    driven = Driven()
    driven.consumer.write(P0, [0])
    await driven.begin(P0)
    driven.engine.stop()
    await driven.passing(DRAIN_SECONDS + 1)
    assert driven.ended.done()
    assert driven.work.cancelled == [0]
    assert driven.consumer.committed == {P0: 0}


@on_virtual_time
async def test_work_that_raises_ends_the_loop_and_its_record_is_neither_passed_nor_begun_again() -> None:
    driven = Driven(in_flight=1)
    driven.consumer.write(P0, [0, 1])
    await driven.begin(P0)
    driven.work.break_off(0, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await driven.ended
    assert driven.work.begun == [0]
    assert driven.consumer.committed == {P0: 0}
    assert driven.consumer.is_stopped


@on_virtual_time
async def test_what_the_work_needs_may_fail_too_and_the_first_error_is_raised() -> None:
    driven = Driven()
    await driven.begin(P0)
    driven.engine.fail(OSError("first"))
    driven.engine.fail(OSError("second"))
    with pytest.raises(OSError, match="first"):
        await driven.ended
