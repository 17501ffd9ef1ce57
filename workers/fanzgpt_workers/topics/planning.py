"""What has to happen for the broker to match topics.yaml: decided without a broker.

Nothing is ever deleted, no topic loses partitions, and what topics.yaml does not name is left alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTopic:
    """A topic as topics.yaml wants it; `keyed` where equal keys must stay in one partition."""

    name: str
    partitions: int
    replication: int
    keyed: bool
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTopic:
    """A topic as the broker has it; `configs` holds what was set on the topic itself, not the broker's defaults."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make a topic that is missing."""

    topic: WantedTopic

    def __str__(self) -> str:
        """`+ topic (6 partitions, replication 3)`."""
        topic = self.topic
        return f"+ {topic.name} ({topic.partitions} partitions, replication {topic.replication})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grow:
    """Add partitions."""

    name: str
    partitions: int
    wanted: int

    def __str__(self) -> str:
        """`~ topic: partitions 6 -> 12`."""
        return f"~ {self.name}: partitions {self.partitions} -> {self.wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """Set configurations, each from its present value (None: the broker's default). `keep` is what else is set."""

    name: str
    changes: Mapping[str, tuple[str | None, str]]
    keep: Mapping[str, str]

    def __str__(self) -> str:
        """`~ topic: retention.ms default -> 604800000`."""
        told = (f"{key} {before or 'default'} -> {after}" for key, (before, after) in sorted(self.changes.items()))
        return f"~ {self.name}: {', '.join(told)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A difference that is not acted upon, and why."""

    name: str
    why: str

    def __str__(self) -> str:
        """`! topic: why`."""
        return f"! {self.name}: {self.why}"


Step: TypeAlias = Create | Grow | Configure


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps in the order to take them, what is refused, and the live topics that topics.yaml does not name."""

    steps: tuple[Step, ...]
    refused: tuple[Refused, ...]
    unmanaged: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether the broker is as topics.yaml wants it."""
        return not self.steps and not self.refused


def plan(wanted: Iterable[WantedTopic], live: Iterable[LiveTopic], *, brokers: int, accept_rekey: bool = False) -> Plan:
    """Compare. `accept_rekey` allows more partitions for a keyed topic, which moves keys between partitions.

    Fewer `brokers` than replicas are wanted mean as many replicas as there are brokers; what has more already keeps
    them, so that a broker that is down for a while changes nothing.
    """
    there = {topic.name: topic for topic in live}
    steps: list[Step] = []
    refused: list[Refused] = []
    names = set()
    for asked in wanted:
        names.add(asked.name)
        found = there.get(asked.name)
        topic = _within(asked, brokers if found is None else max(brokers, found.replication))
        if found is None:
            steps.append(Create(topic=topic))
            continue
        match _partitions(topic, found, accept_rekey=accept_rekey):
            case Grow() as grow:
                steps.append(grow)
            case Refused() as refusal:
                refused.append(refusal)
            case None:
                pass
        if topic.replication != found.replication:
            why = f"has replication {found.replication}, wanted {topic.replication}: reassign its partitions by hand"
            refused.append(Refused(name=topic.name, why=why))
        if changes := _changes(topic, found):
            keep = {key: value for key, value in found.configs.items() if key not in changes}
            steps.append(Configure(name=topic.name, changes=changes, keep=keep))
    unmanaged = sorted(name for name in there.keys() - names if not name.startswith("__"))
    return Plan(steps=tuple(steps), refused=tuple(refused), unmanaged=tuple(unmanaged))


def _within(topic: WantedTopic, replicas: int) -> WantedTopic:
    """The topic with at most so many replicas; what must be in sync is lowered with them, to leave one spare."""
    if topic.replication <= replicas:
        return topic
    configs = dict(topic.configs)
    if "min.insync.replicas" in configs:
        configs["min.insync.replicas"] = str(min(int(configs["min.insync.replicas"]), max(1, replicas - 1)))
    return replace(topic, replication=replicas, configs=configs)


def _partitions(topic: WantedTopic, found: LiveTopic, *, accept_rekey: bool) -> Grow | Refused | None:
    if topic.partitions == found.partitions:
        return None
    if topic.partitions < found.partitions:
        why = f"has {found.partitions} partitions, wanted {topic.partitions}: a topic never loses partitions"
        return Refused(name=topic.name, why=why)
    if topic.keyed and not accept_rekey:
        why = (
            f"has {found.partitions} partitions, wanted {topic.partitions}: its records are keyed, and a key's later "
            "records would land elsewhere than its earlier ones; --accept-rekey does it all the same"
        )
        return Refused(name=topic.name, why=why)
    return Grow(name=topic.name, partitions=found.partitions, wanted=topic.partitions)


def _changes(topic: WantedTopic, found: LiveTopic) -> dict[str, tuple[str | None, str]]:
    return {
        key: (found.configs.get(key), value) for key, value in topic.configs.items() if found.configs.get(key) != value
    }
