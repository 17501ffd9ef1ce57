"""The letter about a record: whole where the dead-letter topic takes it, else its beginning, with its true length."""

from base64 import b64encode
from datetime import datetime
from typing import Final

import orjson

from fanzgpt_schemas.facts import DeadLetter
from fanzgpt_workers.records import Record

LONGEST_ERROR: Final = 2_000


def letter_about(
    record: Record, *, reason: str, error: str, attempts: int, consumer: str, time: datetime, room: int
) -> DeadLetter:
    """A letter whose JSON is at most `room` bytes long; `room` is at least 16,384.

    What does not fit goes in this order: the end of the value (`value_bytes` then says how long it was), and, where
    they alone are too long, headers and key (`error` then says so). A letter without `value_bytes` is the record whole.
    """
    origin, value = record.origin, record.value
    whole = DeadLetter(
        topic=origin.topic,
        partition=origin.partition,
        offset=origin.offset,
        key=_base64(record.key),
        value=_base64(value),
        headers=tuple((_text(name), _base64(given or b"") or "") for name, given in record.headers),
        reason=reason,
        error=_text(error)[:LONGEST_ERROR],
        attempts=attempts,
        time=time,
        consumer=consumer,
    )
    if _length(whole) <= room:
        return whole
    frame = whole.model_copy(update={"value": None if value is None else "", "value_bytes": len(value or b"")})
    if _length(frame) > room:
        told = f"{frame.error} (key and headers are left out here: they are too long for this topic)"
        frame = frame.model_copy(update={"key": None, "headers": (), "error": told})
    if value is None:
        return frame
    return frame.model_copy(update={"value": _base64(value[: (room - _length(frame)) // 4 * 3])})


def _length(letter: DeadLetter) -> int:
    return len(orjson.dumps(letter.model_dump(exclude_none=True)))


def _text(given: str) -> str:
    """As an event may hold it: without U+0000 and lone surrogates."""
    return given.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _base64(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()
