"""What may run now: order inside a lane, turns between users, weights between topics, caps everywhere.

A *lane* is what must not run concurrently (a conversation). Lanes of one user take turns, users take turns, and a user
over its cap waits without holding up anybody else. Topics share the starts by their weights.
"""

from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from fanzgpt_workers.core.origin import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Ceilings on running work: in the process, per user. `weights` is by topic; a topic without one weighs 1."""

    in_flight: int
    per_user: int
    weights: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One piece of work's place: its lane, its user, its partition."""

    lane: Hashable
    user: Hashable
    partition: Partition


Item = TypeVar("Item")


@dataclass(slots=True)
class _User(Generic[Item]):
    """`ready` holds the lanes that may start, by topic; `turns` the topics in whose rotation the user stands."""

    ready: dict[str, deque[Hashable]] = field(default_factory=dict)
    turns: set[str] = field(default_factory=set)
    running: int = 0
    lanes: int = 0


class Lanes(Generic[Item]):
    """The scheduler's state; every operation is O(1) amortised but `drop`.

    Promises: items of one lane start in the order they were added, each after the one before it was released; no
    cap is ever exceeded; as long as work is startable, `start` gives it; a user with startable work waits at most one
    start of every other user of its topic, and topics with startable work get starts in proportion to their weights
    (smooth weighted round robin, as nginx has it), so that none waits for ever.
    """

    def __init__(self, caps: Caps) -> None:
        """Begin empty."""
        self._caps = caps
        self._queues: dict[Hashable, deque[tuple[Slot, Item]]] = {}
        self._busy: set[Hashable] = set()
        self._users: dict[Hashable, _User[Item]] = {}
        self._rotations: dict[str, deque[Hashable]] = {}
        self._credits: dict[str, int] = {}
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
                self._offer(slot.user, user, slot.lane, slot.partition.topic)
        queue.append((slot, item))
        self.waiting += 1

    def start(self) -> tuple[Slot, Item] | None:
        """The next item that may run, now counted as running; None when nothing may start."""
        if self.running >= self._caps.in_flight:
            return None
        while self._rotations:
            topic = self._next_topic()
            user_id = self._rotations[topic].popleft()
            if not self._rotations[topic]:
                del self._rotations[topic]
            user = self._users[user_id]
            user.turns.discard(topic)
            if user.running < self._caps.per_user:  # else its next release brings it back
                return self._start(user_id, user, topic)
        return None

    def _start(self, user_id: Hashable, user: _User[Item], topic: str) -> tuple[Slot, Item]:
        lane = user.ready[topic].popleft()
        if not user.ready[topic]:
            del user.ready[topic]
        queue = self._queues[lane]
        slot, item = queue.popleft()
        if not queue:
            del self._queues[lane]
            user.lanes -= 1
        self._busy.add(lane)
        user.running += 1
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
        queue = self._queues.get(slot.lane)
        if queue is not None:
            self._offer(slot.user, user, slot.lane, queue[0][0].partition.topic)
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

    def _next_topic(self) -> str:
        if len(self._rotations) == 1:
            return next(iter(self._rotations))
        total = 0
        for topic in self._rotations:
            weight = self._caps.weights.get(topic, 1)
            self._credits[topic] = self._credits.get(topic, 0) + weight
            total += weight
        chosen = max(self._rotations, key=lambda topic: self._credits[topic])
        self._credits[chosen] -= total
        return chosen

    def _offer(self, user_id: Hashable, user: _User[Item], lane: Hashable, topic: str) -> None:
        user.ready.setdefault(topic, deque()).append(lane)
        self._rotate(user_id, user)

    def _rotate(self, user_id: Hashable, user: _User[Item]) -> None:
        if user.running >= self._caps.per_user:
            return
        for topic in user.ready:
            if topic not in user.turns:
                user.turns.add(topic)
                self._rotations.setdefault(topic, deque()).append(user_id)

    def _withdraw(self, user_id: Hashable, lane: Hashable) -> None:
        user = self._users[user_id]
        user.lanes -= 1
        for topic, lanes in list(user.ready.items()):
            if lane in lanes:
                lanes.remove(lane)
            if not lanes:
                del user.ready[topic]
                self._leave_rotation(user_id, user, topic)
        if not user.lanes and not user.running:
            del self._users[user_id]

    def _leave_rotation(self, user_id: Hashable, user: _User[Item], topic: str) -> None:
        if topic in user.turns:
            user.turns.discard(topic)
            self._rotations[topic].remove(user_id)
            if not self._rotations[topic]:
                del self._rotations[topic]
