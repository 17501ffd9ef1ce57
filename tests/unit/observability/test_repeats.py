"""What a library repeats is written once in a while."""

import logging

from fanzgpt_workers.observability.repeats import EVERY_SECONDS, Repeats


def record(text: str, *arguments: object, name: str = "aiokafka") -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, text, arguments, None)


def test_a_saying_is_written_once_in_a_while_and_the_others_are_counted() -> None:
    now = 100.0
    repeats = Repeats(time=lambda: now)
    assert repeats.filter(record("node %s is away", 1))
    assert not any(repeats.filter(record("node %s is away", node)) for node in range(40))
    now += EVERY_SECONDS
    again = record("node %s is away", 2)
    assert repeats.filter(again)
    assert again.getMessage() == "node 2 is away (and 40 more like it)"


def test_different_sayings_and_loggers_do_not_silence_each_other() -> None:
    repeats = Repeats(time=lambda: 1.0)
    assert all(repeats.filter(record(text)) for text in ("one", "two"))
    assert repeats.filter(record("one", name="asyncpg"))


def test_memory_is_bounded() -> None:
    repeats = Repeats(time=lambda: 1.0)
    for number in range(5_000):
        repeats.filter(record(f"text {number}"))
    assert len(repeats._said) <= 1_000
