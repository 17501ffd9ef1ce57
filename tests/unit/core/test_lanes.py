"""The scheduler's promises, held by a state machine."""

from collections import defaultdict
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from fanzgpt_workers.core.lanes import Caps, Lanes, Slot
from fanzgpt_workers.core.origin import Partition

CAPS = Caps(in_flight=4, per_user=2, weights={"p": 3})


class LanesMachine(RuleBasedStateMachine):
    started = Bundle("started")

    def __init__(self) -> None:
        super().__init__()
        self.lanes: Lanes[int] = Lanes(CAPS)
        self.queued: dict[str, list[tuple[Slot, int]]] = defaultdict(list)
        self.running: dict[Slot, int] = {}
        self.serial = 0

    @rule(
        user=st.integers(0, 3),
        conversation=st.integers(0, 2),
        partition=st.integers(0, 1),
        topic=st.sampled_from("pt"),
        tokens=st.sampled_from((0, 1, 500, 9_000)),
    )
    def add(self, user: int, conversation: int, partition: int, topic: str, tokens: int) -> None:
        slot = Slot(
            lane=f"{user}/{conversation}",
            user=user,
            partition=Partition(topic, partition),
            tokens=tokens,
            weight=1 + user % 2,
        )
        self.serial += 1
        self.lanes.add(slot, self.serial)
        self.queued[f"{user}/{conversation}"].append((slot, self.serial))

    @rule(target=started)
    def start(self) -> Slot | None:
        taken = self.lanes.start()
        if taken is None:
            startable = [
                q
                for lane, q in self.queued.items()
                if q
                and all(s.lane != lane for s in self.running)
                and sum(s.user == q[0][0].user for s in self.running) < CAPS.per_user
            ]
            assert not startable or len(self.running) >= CAPS.in_flight
            return None
        slot, item = taken
        assert all(other.lane != slot.lane for other in self.running), "two of one lane at once"
        assert self.queued[str(slot.lane)].pop(0) == (slot, item), "out of order"
        self.running[slot] = item
        return slot

    @rule(slot=started)
    def release(self, slot: Slot | None) -> None:
        if slot is not None and slot in self.running:
            del self.running[slot]
            self.lanes.release(slot)

    @rule(partition=st.integers(0, 1), topic=st.sampled_from("pt"))
    def drop(self, partition: int, topic: str) -> None:
        gone = Partition(topic, partition)
        expected = sorted(i for q in self.queued.values() for s, i in q if s.partition == gone)
        assert sorted(self.lanes.drop(gone)) == expected
        for lane, queue in self.queued.items():
            self.queued[lane] = [entry for entry in queue if entry[0].partition != gone]

    @invariant()
    def counts_and_caps_hold(self) -> None:
        assert self.lanes.running == len(self.running) <= CAPS.in_flight
        assert self.lanes.waiting == sum(map(len, self.queued.values())) == len(list(self.lanes))
        per_user: dict[object, int] = defaultdict(int)
        for slot in self.running:
            per_user[slot.user] += 1
        assert all(count <= CAPS.per_user for count in per_user.values())


TestLanes = LanesMachine.TestCase
TestLanes.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def test_users_take_turns_however_much_one_of_them_queued() -> None:
    lanes: Lanes[str] = Lanes(Caps(in_flight=100, per_user=100))
    for n in range(50):
        lanes.add(Slot(lane=f"flood-{n}", user="flood", partition=Partition("t", 0)), "flood")
    lanes.add(Slot(lane="quiet", user="quiet", partition=Partition("t", 0)), "quiet")
    order = [taken[1] for taken in iter(lanes.start, None)]
    assert order.index("quiet") <= 1
    assert len(order) == 51


def started_tokens(slots: dict[str, tuple[int, int]], starts: int) -> dict[str, int]:
    """Tokens started by each user of `tokens` a request and a weight, where all have more than enough to do."""
    lanes: Lanes[str] = Lanes(Caps(in_flight=100_000, per_user=100_000))
    for user, (tokens, weight) in slots.items():
        for n in range(starts):
            lanes.add(Slot(lane=(user, n), user=user, partition=Partition("t", 0), tokens=tokens, weight=weight), user)
    begun = dict.fromkeys(slots, 0)
    for _ in range(starts):
        taken = lanes.start()
        assert taken is not None
        begun[taken[1]] += taken[0].tokens
    return begun


def test_users_start_as_many_tokens_not_as_many_requests() -> None:
    begun = started_tokens({"short": (100, 1), "usual": (600, 1), "long": (1_000, 1)}, 3_000)
    assert max(begun.values()) < 1.3 * min(begun.values())


def test_who_weighs_twice_starts_twice_the_tokens() -> None:
    begun = started_tokens({"standard": (400, 1), "premium": (400, 2), "another": (400, 1)}, 3_000)
    assert 1.9 < begun["premium"] / begun["standard"] < 2.1
    assert begun["another"] == begun["standard"]


def test_who_waits_with_something_large_waits_for_a_few_turns_of_the_others() -> None:
    lanes: Lanes[str] = Lanes(Caps(in_flight=100_000, per_user=100_000))
    for user in ("large", "small"):
        for n in range(1_000):
            slot = Slot(
                lane=(user, n), user=user, partition=Partition("t", 0), tokens=8_000 if user == "large" else 500
            )
            lanes.add(slot, user)
    order = [taken[1] for taken in (lanes.start() for _ in range(200)) if taken]
    places = [place for place, user in enumerate(order) if user == "large"]
    assert max(after - before for before, after in pairwise(places)) <= 10  # 16 turns are worth as much without aging


def test_a_flood_leaves_slots_for_the_others_and_takes_all_when_there_are_none() -> None:
    lanes: Lanes[str] = Lanes(Caps(in_flight=100, per_user=100))
    for n in range(500):
        lanes.add(Slot(lane=("flood", n), user="flood", partition=Partition("t", 0)), "flood")
    alone = [lanes.start() for _ in range(101)]
    assert alone[-1] is None
    assert lanes.running == 100
    for taken in alone[:50]:
        assert taken is not None
        lanes.release(taken[0])
    for user in range(19):
        lanes.add(Slot(lane=user, user=user, partition=Partition("t", 0)), "other")
    beside = [taken[1] for taken in iter(lanes.start, None)]
    assert beside.count("other") == 19
    assert lanes.running == 75, "the flood stops where the last quarter begins"
    for user in range(20, 45):
        lanes.add(Slot(lane=user, user=user, partition=Partition("t", 0)), "other")
    assert [taken[1] for taken in iter(lanes.start, None)] == ["other"] * 25


def test_beside_one_other_nobody_takes_the_last_quarter_who_has_half_of_everything() -> None:
    lanes: Lanes[str] = Lanes(Caps(in_flight=16, per_user=16))
    lanes.add(Slot(lane="a", user="other", partition=Partition("t", 0)), "other")
    for n in range(50):
        lanes.add(Slot(lane=("flood", n), user="flood", partition=Partition("t", 0)), "flood")
    started = [taken[1] for taken in iter(lanes.start, None)]
    assert sorted(started) == ["flood"] * 11 + ["other"]
    lanes.add(Slot(lane="b", user="other", partition=Partition("t", 0)), "other")
    assert [taken[1] for taken in iter(lanes.start, None)] == ["other"]


def test_topics_share_the_starts_by_their_weights_and_none_waits_for_ever() -> None:
    weights = {"priority": 8, "standard": 4, "batch": 1}
    lanes: Lanes[str] = Lanes(Caps(in_flight=1_000, per_user=1_000, weights=weights))
    for topic in ("batch", "standard", "priority"):
        for n in range(200):
            lanes.add(Slot(lane=(topic, n), user=n % 5, partition=Partition(topic, 0)), topic)
    order = [taken[1] for taken in iter(lanes.start, None)]
    assert len(order) == 600
    first = order[:130]
    assert {topic: first.count(topic) for topic in weights} == {"priority": 80, "standard": 40, "batch": 10}
    assert order[-1] == "batch"


def test_a_full_user_holds_up_no_topic() -> None:
    lanes: Lanes[str] = Lanes(Caps(in_flight=10, per_user=1, weights={"priority": 8}))
    for n, topic in enumerate(("priority", "priority", "standard")):
        lanes.add(Slot(lane=n, user="busy", partition=Partition(topic, 0)), topic)
    lanes.add(Slot(lane="other", user="other", partition=Partition("standard", 0)), "other's")
    started = [lanes.start(), lanes.start(), lanes.start()]
    assert [taken and taken[1] for taken in started] == ["priority", "other's", None]
    assert started[0] is not None
    lanes.release(started[0][0])
    taken = lanes.start()
    assert taken is not None
    assert taken[1] == "priority"


def test_what_waits_says_what_for() -> None:
    lanes: Lanes[int] = Lanes(Caps(in_flight=3, per_user=2))
    here = Partition("t", 0)
    for n in range(3):
        lanes.add(Slot(lane="conversation", user="talks", partition=here), n)
    for n in range(4):
        lanes.add(Slot(lane=n, user="busy", partition=here), n)
    assert [lanes.start() is not None for _ in range(4)] == [True, True, True, False]
    lanes.add(Slot(lane="late", user="late", partition=here), 0)
    assert lanes.causes() == {"lane": 2, "user": 2, "process": 1}


def test_nothing_is_remembered_of_users_who_are_gone() -> None:
    lanes: Lanes[int] = Lanes(CAPS)
    for n in range(100):
        lanes.add(Slot(lane=n, user=n, partition=Partition("t", 0)), n)
        taken = lanes.start()
        assert taken is not None
        lanes.release(taken[0])
    assert not lanes._users
    assert not lanes._rotations
    assert not lanes._queues
    assert not lanes._busy
