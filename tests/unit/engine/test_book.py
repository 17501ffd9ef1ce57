"""What may be fetched: bounded by what waits, and a flood of one user is read past."""

from fanzgpt_workers.core.origin import Origin, Partition
from fanzgpt_workers.engine.book import PartitionBook, Room

HERE = Partition("t", 0)
ROOM = Room(
    waiting_per_partition=20,
    waiting_per_user=5,
    beyond_in_all=170,
    uncommitted_per_partition=500,
    waiting_bytes=10_000,
)


def book_with(users: list[str], *, size: int = 1) -> PartitionBook:
    book = PartitionBook(ROOM)
    book.assign([HERE], term=1)
    for offset, user in enumerate(users):
        book.take(Origin("t", 0, offset))
        book.queued(HERE, user, size)
    return book


def test_as_many_wait_as_there_is_room_for() -> None:
    users = [f"user-{number}" for number in range(20)]
    assert book_with(users[:19]).with_room() == [HERE]
    full = book_with(users)
    assert full.with_room() == []
    full.unqueued(HERE, "user-3", 1)
    assert full.with_room() == [HERE]


def test_a_flood_is_read_past_to_those_behind_it() -> None:
    flooded = book_with(["flood"] * 150)
    assert flooded.with_room() == [HERE]
    assert book_with(["flood"] * 150 + [f"user-{number}" for number in range(15)]).with_room() == []


def test_a_flood_is_bounded_in_number_and_in_bytes() -> None:
    assert book_with(["flood"] * 180).with_room() == []
    assert book_with(["flood"] * 100, size=100).with_room() == []


def test_what_has_gone_again_counts_no_more() -> None:
    book = book_with(["flood"] * 100 + ["one", "two"])
    for _ in range(100):
        book.unqueued(HERE, "flood", 1)
    for number in range(17):
        book.queued(HERE, f"user-{number}", 1)
    assert book.with_room() == [HERE]
    book.queued(HERE, "the last one", 1)
    assert book.with_room() == []
