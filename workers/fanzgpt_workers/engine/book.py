"""The partitions this member holds: what was taken, what waits, what may be committed."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from fanzgpt_workers.core.offsets import OffsetTracker
from fanzgpt_workers.core.origin import Origin, Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much may wait in memory: records per partition and in all, records taken but not passed, bytes in all.

    What one user has waiting in a partition beyond `waiting_per_user` counts neither there nor in all, as long as it
    is less than `beyond_in_all` altogether: what waits behind a flood is read past it.
    """

    waiting_per_partition: int = 1_000
    waiting_per_user: int = 50
    waiting_in_all: int = 8_000
    beyond_in_all: int = 2_000
    uncommitted_per_partition: int = 20_000
    waiting_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True)
class _Held:
    term: int
    tracker: OffsetTracker = field(default_factory=OffsetTracker)
    waiting: int = 0
    beyond: int = 0
    waiting_bytes: int = 0
    of_users: dict[Hashable, int] = field(default_factory=dict)
    committed: int | None = None


class PartitionBook:
    """One entry per assigned partition; `epoch` changes with every assignment and revocation.

    What may wait in all is shared out evenly: a topic with a million records behind never takes the room of another.
    """

    def __init__(self, room: Room) -> None:
        """Hold nothing yet."""
        self._room = room
        self._held: dict[Partition, _Held] = {}
        self._waiting_bytes = 0
        self._beyond = 0
        self.epoch = 0

    def assign(self, partitions: Iterable[Partition], *, term: int) -> None:
        """Begin each partition anew; `term` is the group's generation that gave them."""
        self.epoch += 1
        for partition in partitions:
            self._held[partition] = _Held(term)

    def revoke(self, partitions: Iterable[Partition]) -> None:
        """Forget: from now on no late completion reaches a commit of these partitions."""
        self.epoch += 1
        for partition in partitions:
            held = self._held.pop(partition, None)
            if held is not None:
                self._beyond -= held.beyond

    def __contains__(self, partition: object) -> bool:
        """Whether the partition is held."""
        return partition in self._held

    def term(self, partition: Partition) -> int:
        """The group's generation that gave the partition; raises KeyError for one that is not held."""
        return self._held[partition].term

    def partitions(self) -> tuple[Partition, ...]:
        """Those held now."""
        return tuple(self._held)

    @property
    def share(self) -> int:
        """Records that each partition may have waiting, at least one."""
        return max(1, min(self._room.waiting_per_partition, self._room.waiting_in_all // max(1, len(self._held))))

    def with_room(self) -> list[Partition]:
        """Partitions whose next records may be fetched."""
        if self._waiting_bytes >= self._room.waiting_bytes:
            return []
        share, share_of_bytes = self.share, self._room.waiting_bytes // max(1, len(self._held))
        return [
            partition
            for partition, held in self._held.items()
            if held.waiting - (held.beyond if self._beyond < self._room.beyond_in_all else 0) < share
            and held.waiting_bytes <= share_of_bytes
            and held.tracker.taken < self._room.uncommitted_per_partition
        ]

    def take(self, origin: Origin) -> bool:
        """Note a fetched record; False for a repeat within this assignment."""
        return self._held[origin.of].tracker.take(origin.offset)

    def done(self, origin: Origin) -> None:
        """Note that a record has its ending; ignored for partitions no longer held."""
        held = self._held.get(origin.of)
        if held is not None:
            held.tracker.done(origin.offset)

    def queued(self, partition: Partition, user: Hashable, size: int) -> None:
        """A record waits in memory."""
        self._waiting_bytes += size
        held = self._held.get(partition)
        if held is not None:
            before = held.of_users.get(user, 0)
            held.of_users[user] = before + 1
            held.waiting += 1
            held.waiting_bytes += size
            if before >= self._room.waiting_per_user:
                held.beyond += 1
                self._beyond += 1

    def unqueued(self, partition: Partition, user: Hashable, size: int) -> None:
        """It waits no longer."""
        self._waiting_bytes -= size
        held = self._held.get(partition)
        if held is not None:
            left = held.of_users[user] - 1
            if left:
                held.of_users[user] = left
            else:
                del held.of_users[user]
            held.waiting -= 1
            held.waiting_bytes -= size
            if left >= self._room.waiting_per_user:
                held.beyond -= 1
                self._beyond -= 1

    def to_commit(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        """Offsets that have moved since the last commit."""
        moved: dict[Partition, int] = {}
        for partition in self._held if partitions is None else partitions:
            held = self._held.get(partition)
            if held is None:
                continue
            offset = held.tracker.committable
            if offset is not None and offset != held.committed:
                moved[partition] = offset
        return moved

    def standing(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Where these stand, moved or not; absent where no record was taken yet."""
        offsets = {
            partition: held.tracker.committable for partition in partitions if (held := self._held.get(partition))
        }
        return {partition: offset for partition, offset in offsets.items() if offset is not None}

    def committed(self, offsets: dict[Partition, int]) -> None:
        """The broker has acknowledged these."""
        for partition, offset in offsets.items():
            held = self._held.get(partition)
            if held is not None:
                held.committed = offset

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the values of records that wait."""
        return self._waiting_bytes

    def gap(self, partition: Partition) -> int:
        """Records done that an unfinished one holds back from being committed."""
        return self._held[partition].tracker.gap
