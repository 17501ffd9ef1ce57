"""What may run now: order inside a lane, turns between users, weights between topics, caps everywhere.

A *lane* is what must not run concurrently (a conversation). Lanes of one user take turns, users take turns, and a user
over its cap waits without holding up anybody else. A turn is worth as many tokens for everybody, or as many times more
as a user weighs. Topics share the starts by their weights.
"""

from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeVar

from fanzgpt_workers.core.origin import Partition

TURN_TOKENS: Final = 500
"""What a turn is worth: some short answers, or a part of a long one."""
AGING: Final = 0.25
"""By so much of itself a turn is worth more for each one that was not enough: who waits with something large waits for
the root of its size."""

RESERVED: Final = 4
"""One part in so many of the process is kept from whoever runs `FLOOD` times a fair share, or half of everything beside
others (trunk reservation): a request of anybody else finds a free slot, and need not wait for the flood's to end."""
FLOOD: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Ceilings on running work: in the process, per user. `weights` is by topic; a topic without one weighs 1."""

    in_flight: int
    per_user: int
    weights: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One piece of work's place: its lane, its user, its partition; about how many tokens, and the user's weight."""

    lane: Hashable
    user: Hashable
    partition: Partition
    tokens: int = TURN_TOKENS
    weight: int = 1


Item = TypeVar("Item")
Cause = Literal["lane", "user", "process"]


@dataclass(slots=True)
class _Standing:
    """A user in a topic: the lanes that may start, the tokens left of its turn, the turns that were not enough.

    `balance` is below zero where a user's last start was larger than what its turns were worth.
    """

    lanes: deque[Hashable] = field(default_factory=deque)
    balance: float = 0.0
    passed: int = 0
    in_turn: bool = False


@dataclass(slots=True)
class _User:
    """`topics` are those in which the user has lanes that may start, or has not paid yet."""

    topics: dict[str, _Standing] = field(default_factory=dict)
    running: int = 0
    lanes: int = 0


class Lanes(Generic[Item]):
    """The scheduler's state; every operation is O(1) amortised but `drop`, for works of some turns' size.

    Promises: items of one lane start in the order they were added, each after the one before it was released; no
    cap is ever exceeded; as long as work is startable, `start` gives it, but for what is kept from a flood; users with
    startable work in a topic start tokens in proportion to their weights (deficit round robin, Shreedhar and Varghese
    1995, with the debt carried over), so that a user waits for a turn of every other user at most before its own; and
    topics with startable work get starts in proportion to their weights (smooth weighted round robin, as nginx has it):
    none waits for ever.
    """

    def __init__(self, caps: Caps) -> None:
        """Begin empty."""
        self._caps = caps
        self._queues: dict[Hashable, deque[tuple[Slot, Item]]] = {}
        self._busy: set[Hashable] = set()
        self._users: dict[Hashable, _User] = {}
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
        if self.running >= self._caps.in_flight or not self._rotations:
            return None
        below = self._bound()
        topics = [topic for topic in self._rotations if below is None or self._has_any(topic, below)]
        if not topics:
            return None
        topic = self._next_topic(topics)
        rotation = self._rotations[topic]
        while True:
            user_id = rotation[0]
            user = self._users[user_id]
            if below is None or user.running < below:
                standing = user.topics[topic]
                if standing.balance <= 0:
                    self._turn(standing, weight=self._queues[standing.lanes[0]][0][0].weight)
                if standing.balance > 0:
                    return self._start(topic, user_id, user)
            rotation.rotate(-1)

    def release(self, slot: Slot) -> None:
        """Note that a started item is over; its lane's next may start."""
        self._busy.discard(slot.lane)
        self.running -= 1
        user = self._users[slot.user]
        user.running -= 1
        queue = self._queues.get(slot.lane)
        if queue is not None:
            self._offer(slot.user, user, slot.lane, queue[0][0].partition.topic)
        if user.running == self._caps.per_user - 1:
            self._rejoin(slot.user, user)
        self._forget(slot.user, user)

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

    def causes(self) -> dict[Cause, int]:
        """What the waiting items wait for: the one before them in their lane, their user's cap, or a free slot."""
        found: dict[Cause, int] = {"lane": 0, "user": 0, "process": 0}
        for lane, queue in self._queues.items():
            user = self._users[queue[0][0].user]
            first: Cause = "user" if user.running >= self._caps.per_user else "process"
            found["lane" if lane in self._busy else first] += 1
            found["lane"] += len(queue) - 1
        return found

    def __iter__(self) -> Iterator[Item]:
        """The waiting items, lane by lane."""
        return (item for queue in self._queues.values() for _, item in queue)

    def _start(self, topic: str, user_id: Hashable, user: _User) -> tuple[Slot, Item]:
        standing = user.topics[topic]
        lane = standing.lanes.popleft()
        queue = self._queues[lane]
        slot, item = queue.popleft()
        if not queue:
            del self._queues[lane]
            user.lanes -= 1
        standing.balance -= slot.tokens
        standing.passed = 0
        self._busy.add(lane)
        user.running += 1
        self.running += 1
        self.waiting -= 1
        if not standing.lanes:
            standing.balance = min(standing.balance, 0.0)  # what is not used in its turn is not kept
            self._leave(topic, user_id, standing)
        elif standing.balance <= 0:
            self._rotations[topic].rotate(-1)
        if user.running >= self._caps.per_user:
            self._step_aside(user_id, user)
        return slot, item

    @staticmethod
    def _turn(standing: _Standing, *, weight: int) -> None:
        standing.balance += TURN_TOKENS * weight * (1 + AGING * standing.passed)
        standing.passed += 1

    def _bound(self) -> int | None:
        """How many a user may not have running already to start another; None while there are slots for everybody."""
        caps = self._caps
        if self.running < caps.in_flight - caps.in_flight // RESERVED:
            return None
        below = max(FLOOD, FLOOD * caps.in_flight // len(self._users))
        if len(self._users) > 1:
            below = min(below, max(FLOOD, caps.in_flight // 2))
        return None if below >= caps.per_user else below

    def _has_any(self, topic: str, below: int) -> bool:
        return any(self._users[user_id].running < below for user_id in self._rotations[topic])

    def _next_topic(self, topics: Sequence[str]) -> str:
        if len(topics) == 1:
            return topics[0]
        total = 0
        for topic in topics:
            weight = self._caps.weights.get(topic, 1)
            self._credits[topic] = self._credits.get(topic, 0) + weight
            total += weight
        chosen = max(topics, key=lambda topic: self._credits[topic])
        self._credits[chosen] -= total
        return chosen

    def _offer(self, user_id: Hashable, user: _User, lane: Hashable, topic: str) -> None:
        standing = user.topics.get(topic)
        if standing is None:
            standing = user.topics[topic] = _Standing()
        standing.lanes.append(lane)
        if not standing.in_turn and user.running < self._caps.per_user:
            self._join(topic, user_id, standing)

    def _join(self, topic: str, user_id: Hashable, standing: _Standing) -> None:
        standing.in_turn = True
        self._rotations.setdefault(topic, deque()).append(user_id)

    def _leave(self, topic: str, user_id: Hashable, standing: _Standing) -> None:
        standing.in_turn = False
        rotation = self._rotations[topic]
        if rotation[0] == user_id:
            rotation.popleft()
        else:
            rotation.remove(user_id)
        if not rotation:
            del self._rotations[topic]

    def _step_aside(self, user_id: Hashable, user: _User) -> None:
        """A user at its cap takes no turns; its next release brings it back."""
        for topic, standing in user.topics.items():
            if standing.in_turn:
                self._leave(topic, user_id, standing)

    def _rejoin(self, user_id: Hashable, user: _User) -> None:
        for topic, standing in user.topics.items():
            if standing.lanes and not standing.in_turn:
                self._join(topic, user_id, standing)

    def _withdraw(self, user_id: Hashable, lane: Hashable) -> None:
        user = self._users[user_id]
        user.lanes -= 1
        for topic, standing in user.topics.items():
            if lane in standing.lanes:
                standing.lanes.remove(lane)
                if not standing.lanes and standing.in_turn:
                    self._leave(topic, user_id, standing)
        self._forget(user_id, user)

    def _forget(self, user_id: Hashable, user: _User) -> None:
        if not user.lanes and not user.running:
            del self._users[user_id]
