"""What a dead letter keeps of a record, whatever the record is."""

from base64 import b64decode
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from fanzgpt_producers.memory import MemoryPublisher
from fanzgpt_schemas.codec import decode_event, encode
from fanzgpt_schemas.facts import DeadLetter
from fanzgpt_schemas.identity import event_id, record_event_id
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.publishing.dead_letters import SMALLEST_ROOM, DeadLetters
from fanzgpt_workers.publishing.letters import letter_about
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.records import Record

AT = datetime(2026, 12, 1, tzinfo=UTC)
ORIGIN = Origin("ai.generation.requested", 3, 1042)


class StoppedClock:
    def now(self) -> datetime:
        return AT


def record(
    value: bytes | None, *, key: bytes | None = b"user-1", headers: tuple[tuple[str, bytes], ...] = ()
) -> Record:
    return Record(ORIGIN, 0, key, value, headers)


def letter(of: Record, *, room: int, error: str = "wrong") -> DeadLetter:
    return letter_about(of, reason="invalid", error=error, attempts=1, consumer="g", time=AT, room=room)


def length(of: DeadLetter) -> int:
    return len(encode(of, event_id=event_id(record_event_id("t", 0, 0), "dead"), time=AT, source="test").value)


BYTES = st.binary(max_size=200) | st.integers(0, 60_000).map(bytes)
HEADERS = st.lists(st.tuples(st.text(max_size=40) | st.just("\x01" * 5_000), BYTES), max_size=4).map(tuple)


@given(st.none() | BYTES, st.none() | BYTES, HEADERS, st.text(max_size=5_000), st.integers(SMALLEST_ROOM, 200_000))
@example(b"v" * 60_000, b"k", (("\ud800\x00", b"h"),), "\ud800", SMALLEST_ROOM)
@example(None, b"k" * 60_000, (), "", SMALLEST_ROOM)
def test_a_letter_always_fits_and_holds_the_beginning_of_the_value_and_how_long_it_was(
    value: bytes | None, key: bytes | None, headers: tuple[tuple[str, bytes], ...], error: str, room: int
) -> None:
    made = letter(record(value, key=key, headers=headers), room=room, error=error)
    assert length(made) <= room
    if made.value_bytes is None:
        assert (None if made.value is None else b64decode(made.value)) == value
    else:
        assert made.value_bytes == len(value or b"")
        assert (value or b"").startswith(b64decode(made.value or ""))
    if "left out here" in made.error:
        assert (made.key, made.headers) == (None, ())
        assert made.value_bytes is not None
    else:
        assert tuple(b64decode(given) for _, given in made.headers) == tuple(given for _, given in headers)
        assert (None if made.key is None else b64decode(made.key)) == key


def test_nothing_is_left_out_that_has_room() -> None:
    of = record(b"v" * 60_000)
    exact = length(letter(of, room=1_000_000))
    assert letter(of, room=exact).value_bytes is None
    cut = letter(of, room=exact - 1)
    assert cut.value_bytes == 60_000
    assert length(cut) > exact - 50


async def test_a_broker_that_takes_less_than_it_should_gets_less_of_the_value_rather_than_no_letter() -> None:
    publisher = MemoryPublisher(max_event_bytes=100_000)
    letters = DeadLetters(Publication(publisher, away=_never), consumer="g", clock=StoppedClock())
    await letters.send(record(b"v" * 1_000_000), reason="invalid", error="wrong")
    [event] = publisher.events
    told = decode_event(DeadLetter, event.value, event.headers, topic=event.topic, partition=0, offset=0).event
    assert told.value_bytes == 1_000_000
    assert 25_000 < len(b64decode(told.value or "")) < 75_000


def _never(error: Exception) -> None:
    raise AssertionError(error)
