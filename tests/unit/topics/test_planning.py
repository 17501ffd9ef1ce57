"""What `topics plan` decides, for any pair of files and brokers."""

from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.topics.planning import (
    Configure,
    Create,
    Grow,
    LiveTopic,
    Plan,
    Refused,
    WantedTopic,
    plan,
)

BROKERS = st.integers(1, 4)
NAMES = st.sampled_from(["a", "b", "c", "d"])
CONFIGS = st.dictionaries(st.sampled_from(["retention.ms", "cleanup.policy"]), st.sampled_from(["1", "2"]))


@st.composite
def wanted_topics(draw: st.DrawFn) -> list[WantedTopic]:
    return [
        WantedTopic(
            name=name,
            partitions=draw(st.integers(1, 12)),
            replication=draw(st.integers(1, 3)),
            keyed=draw(st.booleans()),
            configs=draw(CONFIGS),
        )
        for name in draw(st.sets(NAMES))
    ]


@st.composite
def live_topics(draw: st.DrawFn) -> list[LiveTopic]:
    return [
        LiveTopic(
            name=name, partitions=draw(st.integers(1, 12)), replication=draw(st.integers(1, 3)), configs=draw(CONFIGS)
        )
        for name in draw(st.sets(NAMES))
    ]


def carried_out(live: list[LiveTopic], done: Plan) -> list[LiveTopic]:
    """The broker after the plan."""
    topics = {topic.name: topic for topic in live}
    for step in done.steps:
        match step:
            case Create(topic=new):
                topics[new.name] = LiveTopic(
                    name=new.name, partitions=new.partitions, replication=new.replication, configs=new.configs
                )
            case Grow(name=name, wanted=partitions):
                old = topics[name]
                topics[name] = LiveTopic(
                    name=name, partitions=partitions, replication=old.replication, configs=old.configs
                )
            case Configure(name=name, changes=changes, keep=keep):
                old = topics[name]
                topics[name] = LiveTopic(
                    name=name,
                    partitions=old.partitions,
                    replication=old.replication,
                    configs={**keep, **{key: after for key, (_, after) in changes.items()}},
                )
    return list(topics.values())


@given(wanted_topics(), live_topics(), BROKERS, st.booleans())
def test_a_plan_carried_out_leaves_only_what_it_refused(
    wanted: list[WantedTopic], live: list[LiveTopic], brokers: int, accept: bool
) -> None:
    first = plan(wanted, live, accept_rekey=accept, brokers=brokers)
    second = plan(wanted, carried_out(live, first), accept_rekey=accept, brokers=brokers)
    assert second.steps == ()
    assert second.refused == first.refused


@given(wanted_topics(), live_topics(), BROKERS, st.booleans())
def test_no_plan_loses_a_topic_a_partition_or_a_setting_of_somebody_else(
    wanted: list[WantedTopic], live: list[LiveTopic], brokers: int, accept: bool
) -> None:
    after = {topic.name: topic for topic in carried_out(live, plan(wanted, live, accept_rekey=accept, brokers=brokers))}
    for topic in live:
        assert after[topic.name].partitions >= topic.partitions
        assert after[topic.name].configs.keys() >= topic.configs.keys()


@given(wanted_topics(), live_topics())
def test_a_keyed_topic_grows_only_where_that_is_accepted(wanted: list[WantedTopic], live: list[LiveTopic]) -> None:
    keyed = {topic.name for topic in wanted if topic.keyed}
    assert not any(isinstance(step, Grow) and step.name in keyed for step in plan(wanted, live, brokers=3).steps)


def test_unknown_live_topics_are_listed_and_internal_ones_are_not() -> None:
    live = [LiveTopic(name=name, partitions=1, replication=1) for name in ("orders", "__consumer_offsets")]
    found = plan([], live, brokers=1)
    assert found.unmanaged == ("orders",)
    assert found.clean


def test_each_line_says_what_changes() -> None:
    wanted = [
        WantedTopic(name="new", partitions=6, replication=3, keyed=True),
        WantedTopic(name="small", partitions=2, replication=1, keyed=False),
        WantedTopic(name="big", partitions=2, replication=1, keyed=False, configs={"retention.ms": "5"}),
    ]
    live = [
        LiveTopic(name="small", partitions=1, replication=1),
        LiveTopic(name="big", partitions=4, replication=1),
    ]
    found = plan(wanted, live, brokers=3)
    assert [str(step) for step in found.steps] == [
        "+ new (6 partitions, replication 3)",
        "~ small: partitions 1 -> 2",
        "~ big: retention.ms default -> 5",
    ]
    assert found.refused == (Refused(name="big", why="has 4 partitions, wanted 2: a topic never loses partitions"),)


TOPIC = WantedTopic(
    name="a", partitions=1, replication=3, keyed=True, configs={"min.insync.replicas": "2", "retention.ms": "5"}
)


def test_with_one_broker_one_replica_is_enough_to_write() -> None:
    (step,) = plan([TOPIC], [], brokers=1).steps
    assert isinstance(step, Create)
    assert step.topic.replication == 1
    assert step.topic.configs == {"min.insync.replicas": "1", "retention.ms": "5"}


def test_a_broker_that_is_down_for_a_while_changes_nothing() -> None:
    live = [LiveTopic(name="a", partitions=1, replication=3, configs=TOPIC.configs)]
    assert plan([TOPIC], live, brokers=2).clean


def test_a_cluster_that_has_grown_is_told_to_reassign_by_hand() -> None:
    live = [LiveTopic(name="a", partitions=1, replication=1, configs={"retention.ms": "5"})]
    found = plan([TOPIC], live, brokers=3)
    assert [refusal.why for refusal in found.refused] == [
        "has replication 1, wanted 3: reassign its partitions by hand"
    ]
