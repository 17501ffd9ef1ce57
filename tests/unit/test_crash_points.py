"""A process dies where it was told, once the step before is done, and never where nothing was told."""

from collections.abc import Sequence
from typing import Any, NoReturn, get_args
from uuid import uuid4

import pytest

from fanzgpt_producers.memory import MemoryPublisher
from fanzgpt_schemas.codec import Encoded
from fanzgpt_schemas.events import COMPLETED_TOPIC, DEAD_LETTER_TOPIC
from fanzgpt_workers.bootstrap import SystemClock
from fanzgpt_workers.crash_points import crash_points
from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.settings.process import CrashPoint
from fanzgpt_workers.settings.reading import load_settings
from fanzgpt_workers.stores.memory_ledger import MemoryLedger


class Died(Exception):
    """Instead of SIGKILL."""


def die(point: str) -> NoReturn:
    raise Died(point)


def event(topic: str) -> Encoded:
    return Encoded(topic=topic, key=b"key", value=b"{}", headers=(("ce_id", str(uuid4()).encode()),))


class Consumer:
    """What the wrapper needs of aiokafka's."""

    def __init__(self) -> None:
        self.committed: list[Any] = []

    async def getmany(self, *_: object, **__: object) -> dict[str, list[int]]:
        return {"partition": [1]}

    async def commit(self, offsets: object) -> None:
        self.committed.append(offsets)

    def seek(self, offset: int) -> int:
        return offset


def test_unset_nothing_is_wrapped() -> None:
    points, consumer, publisher = crash_points(None), Consumer(), MemoryPublisher()
    assert points.consumer(consumer) is consumer
    assert points.publisher(publisher) is publisher
    ledger = MemoryLedger(clock=SystemClock(), takeover_after=60)
    assert points.ledger(ledger) is ledger


async def test_a_commit_is_made_before_the_point_after_it_and_not_before_the_point_before_it() -> None:
    expected: dict[str, list[str]] = {"before-commit": [], "after-commit": ["offsets"]}
    for point, made in expected.items():
        inner = Consumer()
        with pytest.raises(Died, match=point):
            await crash_points(point, die=die).consumer(inner).commit("offsets")
        assert inner.committed == made


async def test_the_process_dies_at_the_passing_that_was_told_and_works_until_then() -> None:
    consumer = crash_points("after-fetch:3", die=die).consumer(Consumer())
    assert consumer.seek(7) == 7
    for _ in range(2):
        assert await consumer.getmany() == {"partition": [1]}
    with pytest.raises(Died):
        await consumer.getmany()


@pytest.mark.parametrize(
    ("point", "published"),
    [("after-first-publish", [COMPLETED_TOPIC]), ("after-publish", [COMPLETED_TOPIC, COMPLETED_TOPIC])],
)
async def test_between_the_events_of_an_ending_or_after_the_last(point: str, published: Sequence[str]) -> None:
    inner = MemoryPublisher()
    publisher = crash_points(point, die=die).publisher(inner)
    await publisher.publish([event(DEAD_LETTER_TOPIC)])
    with pytest.raises(Died):
        await publisher.publish([event(COMPLETED_TOPIC), event(COMPLETED_TOPIC)])
    assert [each.topic for each in inner.events][1:] == published


async def test_a_letter_has_a_point_of_its_own() -> None:
    publisher = crash_points("after-letter", die=die).publisher(MemoryPublisher())
    await publisher.publish([event(COMPLETED_TOPIC)])
    with pytest.raises(Died):
        await publisher.publish([event(DEAD_LETTER_TOPIC)])


@pytest.mark.parametrize("told", ["after-lunch", "after-save:0", "after-save:x"])
def test_a_point_that_there_is_not_is_refused_at_the_start(told: str) -> None:
    with pytest.raises(ConfigurationError, match="FANZGPT_CRASH_AT"):
        load_settings({"FANZGPT_CRASH_AT": told}, needs=())


@pytest.mark.parametrize("point", get_args(CrashPoint))
def test_every_point_can_be_told_with_and_without_a_number(point: str) -> None:
    for told in (point, f"{point}:12"):
        assert load_settings({"FANZGPT_CRASH_AT": told}, needs=()).process.crash_at == told
