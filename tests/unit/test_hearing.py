"""A consumer that Kafka says nothing to is noticed; one that asks for nothing, or has only begun to, is well."""

from aiokafka import TopicPartition

from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.hearing import UNHEARD_SECONDS, Hearing

P0, P1 = Partition("topic", 0), Partition("topic", 1)


class Consumer:
    """What is asked of aiokafka's."""

    def __init__(self) -> None:
        self.answered: dict[Partition, int] = {}
        self.held = {P0, P1}

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(*partition) for partition in self.held}

    def last_poll_timestamp(self, partition: TopicPartition) -> int | None:
        return self.answered.get(Partition(*partition))


class Kept:
    """A loop that listens once a second."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.consumer = Consumer()
        self.hearing = Hearing(self.consumer, time=lambda: self.now)

    def passing(self, seconds: float, *listening: Partition, answered: tuple[Partition, ...] = ()) -> str | None:
        until = self.now + seconds
        while self.now < until:
            self.now += 1
            self.hearing.listens(listening)
            for partition in answered:
                self.consumer.answered[partition] = int(self.now * 1000)
        return self.hearing.unheard()


def test_a_partition_without_an_answer_is_named_with_how_long() -> None:
    kept = Kept()
    assert kept.passing(UNHEARD_SECONDS, P0, P1, answered=(P0, P1)) is None
    assert kept.passing(UNHEARD_SECONDS, P0, P1, answered=(P0,)) is None
    told = kept.passing(10, P0, P1, answered=(P0,))
    assert told == "Kafka has said nothing about 1 of 2 partitions, of topic/1 for 30 s"
    assert kept.passing(1, P0, P1, answered=(P0, P1)) is None


def test_a_partition_that_never_answered_is_noticed_too() -> None:
    assert Kept().passing(UNHEARD_SECONDS + 2, P0) is not None


def test_a_partition_that_nobody_asks_for_may_be_silent() -> None:
    kept = Kept()
    assert kept.passing(100, P0, answered=(P0,)) is None
    # Its room is taken up for long, and it is asked for again: that is when its silence begins to count.
    assert kept.passing(100) is None
    assert kept.passing(UNHEARD_SECONDS - 2, P0) is None


def test_a_loop_that_has_paused_begins_anew() -> None:
    kept = Kept()
    kept.passing(5, P0, answered=(P0,))
    kept.now += 300
    assert kept.passing(2, P0) is None


def test_a_partition_that_was_taken_away_is_nobodys_silence() -> None:
    kept = Kept()
    kept.passing(5, P0)
    kept.consumer.held = set()
    assert kept.passing(100, P0) is None
