"""From records to rows: once each, whatever comes twice, is unreadable, or finds nobody at home."""

import asyncio
from uuid import uuid4

from tests.unit.sinks.stored import P0, P1, Storing, answered
from tests.unit.virtually import on_virtual_time

from fanzgpt_schemas.identity import user_key
from fanzgpt_workers.stores.memory_tables import MemoryTables


@on_virtual_time
async def test_rows_statistics_and_offsets_are_stored_together_and_the_group_is_told() -> None:
    storing = Storing()
    for user in ("u-1", "u-1", "u-2"):
        answered(storing.consumer, P0, user=user)
    answered(storing.consumer, P1)
    await storing.begin(P0, P1)
    assert len(storing.tables.history) == 4
    assert (storing.total("u-1"), storing.total("u-2")) == (3, 1)
    assert (storing.stands_at(P0), storing.stands_at(P1)) == (3, 1)
    assert storing.consumer.committed == {P0: 3, P1: 1}
    assert storing.store.batches == [4]


@on_virtual_time
async def test_an_event_that_comes_twice_is_one_row_in_one_batch_and_in_two() -> None:
    storing, event = Storing(), uuid4()
    for _ in range(2):
        answered(storing.consumer, P0, event=event)
    await storing.begin(P0)
    answered(storing.consumer, P0, event=event)
    await asyncio.sleep(2)
    assert len(storing.tables.history) == 1
    assert storing.total("u-1") == 1
    assert storing.stands_at(P0) == 3


@on_virtual_time
async def test_a_replay_from_the_beginning_changes_nothing() -> None:
    storing = Storing()
    for number in range(20):
        answered(storing.consumer, P0, user=f"u-{number % 3}")
    await storing.begin(P0)
    before = (dict(storing.tables.history), [storing.total(f"u-{n}") for n in range(3)])
    for _ in range(2):
        await storing.consumer.revoke()
        storing.tables.offsets.clear()
        storing.consumer.committed.clear()
        await storing.consumer.assign(P0)
        await asyncio.sleep(2)
        assert storing.stands_at(P0) == 20
        assert (dict(storing.tables.history), [storing.total(f"u-{n}") for n in range(3)]) == before


@on_virtual_time
async def test_three_bad_records_in_a_batch_of_five_hundred_leave_four_hundred_and_ninety_seven_rows() -> None:
    storing = Storing()
    bad = set()
    for number in range(500):
        if number in {7, 250, 499}:
            bad.add(storing.consumer.put(P0, b"no completion"))
        else:
            answered(storing.consumer, P0)
    await storing.begin(P0)
    assert len(storing.tables.history) == 497
    assert {letter["offset"] for letter in storing.letters()} == bad
    assert {letter["reason"] for letter in storing.letters()} == {"invalid"}
    assert storing.stands_at(P0) == 500


@on_virtual_time
async def test_rows_that_can_never_be_stored_are_kept_alone_with_their_reason() -> None:
    tables = MemoryTables()
    tables.add_users([user_key("u-1")])
    storing = Storing(tables, unknown_users="dead-letter")
    for user in ("u-1", "a stranger", "u-1", "another stranger", "u-1"):
        answered(storing.consumer, P0, user=user)
    await storing.begin(P0)
    assert len(tables.history) == 3
    assert [letter["offset"] for letter in storing.letters()] == [1, 3]
    assert storing.told.refused_for == ["unstorable", "unstorable"]
    assert storing.stands_at(P0) == 5


@on_virtual_time
async def test_a_batch_is_not_stored_before_the_letters_about_it_are_acknowledged() -> None:
    storing = Storing()
    storing.topics.cut()
    storing.consumer.put(P0, b"no completion")
    answered(storing.consumer, P0)
    await storing.begin(P0)
    await asyncio.sleep(60)
    assert not storing.tables.history
    assert storing.stands_at(P0) is None
    storing.topics.heal()
    await asyncio.sleep(10)
    assert len(storing.tables.history) == 1
    assert len(storing.letters()) == 1


@on_virtual_time
async def test_while_the_store_is_away_the_batch_waits_and_nothing_is_dead_lettered() -> None:
    storing = Storing()
    storing.store.losing = "statements"
    answered(storing.consumer, P0)
    begun = asyncio.create_task(storing.begin(P0))
    await asyncio.sleep(60)
    assert storing.told.absences > 5
    storing.store.losing = None
    await begun
    await asyncio.sleep(10)
    storing.store.losing = "statements"
    answered(storing.consumer, P0)
    await asyncio.sleep(60)
    assert len(storing.tables.history) == 1
    storing.store.losing = None
    await asyncio.sleep(10)
    assert len(storing.tables.history) == 2
    assert not storing.letters()


@on_virtual_time
async def test_a_transaction_whose_answer_was_lost_is_not_done_twice() -> None:
    storing = await Storing().begin(P0)
    storing.store.losing = "answers"
    answered(storing.consumer, P0)
    await asyncio.sleep(20)
    storing.store.losing = None
    await asyncio.sleep(10)
    assert storing.total("u-1") == 1
    answered(storing.consumer, P0)
    await asyncio.sleep(2)
    assert storing.total("u-1") == 2
    assert storing.stands_at(P0) == 2


@on_virtual_time
async def test_the_stored_position_counts_and_not_the_groups() -> None:
    first = Storing()
    for _ in range(3):
        answered(first.consumer, P0)
    await first.begin(P0)
    for committed in (0, 3, 2):
        second = Storing(first.tables)
        second.consumer.logs = first.consumer.logs
        second.consumer.committed = {P0: committed}
        await second.begin(P0)
        assert second.store.batches == []
        assert second.consumer.committed == {P0: 3}  # and it is told again, though there was nothing to store
        second.sink.stop()
        await second.ended


@on_virtual_time
async def test_what_is_fetched_before_the_stored_position_is_known_is_fetched_again_from_there() -> None:
    first = Storing()
    for _ in range(4):
        answered(first.consumer, P0)
    await first.begin(P0)
    second = Storing(first.tables)
    second.store.losing = "statements"  # its position cannot be read yet
    second.consumer.logs[P0] = first.consumer.logs[P0][:2]
    beginning = asyncio.create_task(second.begin(P0))
    second.consumer.arriving.clear()
    await asyncio.sleep(1)
    second.store.losing = None
    await beginning
    second.consumer.arriving.set()
    await asyncio.sleep(2)
    assert second.stands_at(P0) == 4
    assert second.store.batches == []
    assert second.consumer.positions == {P0: 4}


@on_virtual_time
async def test_a_commit_that_the_group_refuses_is_told_again_and_holds_up_nothing() -> None:
    storing = await Storing().begin(P0)
    storing.consumer.leave_behind()
    answered(storing.consumer, P0)
    await asyncio.sleep(5)
    assert storing.stands_at(P0) == 1
    storing.consumer.refusing = None
    await asyncio.sleep(2)
    assert storing.consumer.committed == {P0: 1}


@on_virtual_time
async def test_a_member_that_was_overtaken_reads_on_where_the_other_stands_and_stores_nothing_twice() -> None:
    tables = MemoryTables()
    overtaken, other = await Storing(tables).begin(P0), await Storing(tables).begin(P0)
    for _ in range(4):
        answered(other.consumer, P0)
    await asyncio.sleep(2)
    overtaken.consumer.logs[P0] = other.consumer.logs[P0][:3]
    await asyncio.sleep(2)
    assert overtaken.told.fences == 1
    assert overtaken.consumer.positions == {P0: 4}
    overtaken.consumer.logs = other.consumer.logs
    answered(other.consumer, P0)
    await asyncio.sleep(2)
    assert len(tables.history) == 5
    assert overtaken.total("u-1") == 5
    assert overtaken.stands_at(P0) == 5


@on_virtual_time
async def test_partitions_go_as_soon_as_the_transaction_under_way_is_over() -> None:
    storing = await Storing().begin(P0)
    storing.store.losing = "statements"
    answered(storing.consumer, P0)
    await asyncio.sleep(10)
    async with asyncio.timeout(1):
        await storing.consumer.revoke()
    storing.store.losing = None
    await asyncio.sleep(10)
    assert not storing.tables.history
    await storing.consumer.assign(P0)
    await asyncio.sleep(2)
    assert len(storing.tables.history) == 1


@on_virtual_time
async def test_a_stop_ends_the_batch_under_way_tells_the_group_and_leaves() -> None:
    storing = await Storing().begin(P0)
    answered(storing.consumer, P0)
    await asyncio.sleep(0.27)
    storing.sink.stop()
    await storing.ended
    assert storing.stands_at(P0) in {None, 1}
    assert storing.consumer.committed.get(P0) == storing.stands_at(P0)
    assert storing.consumer.is_stopped


@on_virtual_time
async def test_a_stop_does_not_wait_for_a_store_that_is_away() -> None:
    storing = await Storing().begin(P0)
    storing.store.losing = "statements"
    answered(storing.consumer, P0)
    await asyncio.sleep(10)
    storing.sink.stop()
    async with asyncio.timeout(10):
        await storing.ended
    assert not storing.letters()
