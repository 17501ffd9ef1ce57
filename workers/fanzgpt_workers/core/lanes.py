"""What may run now: order inside a lane, turns between users, caps everywhere.

A *lane* is what must not run concurrently (a conversation). Lanes of one user take turns, users take turns, and a user
over its cap waits without holding up anybody else.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from fanzgpt_workers.core.origin import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Ceilings on running work: in the process, per user."""

    in_flight: int
    per_user: int


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One piece of work's place: its lane, its user, its partition."""

    lane: Hashable
    user: Hashable
    partition: Partition


Item = TypeVar("Item")


@dataclass(slots=True)
class _User(Generic[Item]):
    ready: deque[Hashable] = field(default_factory=deque)
    running: int = 0
    lanes: int = 0
    in_rotation: bool = False


class Lanes(Generic[Item]):
    """The scheduler's state; every operation is O(1) amortised but `drop`.

    Promises: items of one lane start in the order they were added, each after the one before it was released; no
    cap is ever exceeded; as long as work is startable, `start` gives it, and a user with startable work waits at most
    one start of every other user.
    """

    def __init__(self, caps: Caps) -> None:
        """Begin empty."""
        self._caps = caps
        self._queues: dict[Hashable, deque[tuple[Slot, Item]]] = {}
        self._busy: set[Hashable] = set()
        self._users: dict[Hashable, _User[Item]] = {}
        self._rotation: deque[Hashable] = deque()
        self.running = 0
        self.waiting = 0

    def add(self, slot: Slot, item: Item) -> None:
        """Queue an item at the end of its lane."""
        queue = self._queues.get(slot.lane)
        if queue is None:
            queue = self._queues[slot.lane] = deque()
            user = self._users.setdefault(slot.user, _User())
            user.lanes += 1
            if slot.lane not in self._busy:
                self._offer(slot.user, user, slot.lane)
        queue.append((slot, item))
        self.waiting += 1

    def start(self) -> tuple[Slot, Item] | None:
        """The next item that may run, now counted as running; None when nothing may start."""
        if self.running >= self._caps.in_flight or not self._rotation:
            return None
        user_id = self._rotation.popleft()
        user = self._users[user_id]
        lane = user.ready.popleft()
        queue = self._queues[lane]
        slot, item = queue.popleft()
        if not queue:
            del self._queues[lane]
            user.lanes -= 1
        self._busy.add(lane)
        user.running += 1
        user.in_rotation = False
        self.running += 1
        self.waiting -= 1
        self._rotate(user_id, user)
        return slot, item

    def release(self, slot: Slot) -> None:
        """Note that a started item is over; its lane's next may start."""
        self._busy.discard(slot.lane)
        self.running -= 1
        user = self._users[slot.user]
        user.running -= 1
        if slot.lane in self._queues:
            self._offer(slot.user, user, slot.lane)
        else:
            self._rotate(slot.user, user)
            if not user.lanes and not user.running:
                del self._users[slot.user]

    def drop(self, partition: Partition) -> list[Item]:
        """Take back every item of a partition that has not started, in the order they were added to each lane."""
        dropped: list[Item] = []
        for lane in list(self._queues):
            queue = self._queues[lane]
            user_id = queue[0][0].user
            kept = deque(entry for entry in queue if entry[0].partition != partition)
            dropped.extend(item for slot, item in queue if slot.partition == partition)
            if kept:
                self._queues[lane] = kept
                continue
            del self._queues[lane]
            self._withdraw(user_id, lane)
        self.waiting -= len(dropped)
        return dropped

    def __iter__(self) -> Iterator[Item]:
        """The waiting items, lane by lane."""
        return (item for queue in self._queues.values() for _, item in queue)

    def _offer(self, user_id: Hashable, user: _User[Item], lane: Hashable) -> None:
        user.ready.append(lane)
        self._rotate(user_id, user)

    def _rotate(self, user_id: Hashable, user: _User[Item]) -> None:
        if user.ready and not user.in_rotation and user.running < self._caps.per_user:
            user.in_rotation = True
            self._rotation.append(user_id)

    def _withdraw(self, user_id: Hashable, lane: Hashable) -> None:
        user = self._users[user_id]
        user.lanes -= 1
        if lane in user.ready:
            user.ready.remove(lane)
        if user.in_rotation and not user.ready:
            user.in_rotation = False
            self._rotation.remove(user_id)
        if not user.lanes and not user.running:
            del self._users[user_id]
