"""How dead letters look: to people in a table and in full, to programs as JSON."""

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC

from fanzgpt_workers.commands.dlq_selected import Chosen
from fanzgpt_workers.commands.output import Json


def row(one: Chosen, *, longest_error: int) -> tuple[str, ...]:
    """A line of the table."""
    letter = one.letter
    error = printable(letter.error)
    return (
        letter.name,
        f"{letter.time.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        letter.reason,
        str(letter.origin),
        letter.consumer or "",
        printable(letter.request_id or ""),
        "open" if one.resolution is None else one.resolution.resolution,
        error if len(error) <= longest_error else f"{error[: longest_error - 1]}…",
    )


def document(one: Chosen, *, in_full: bool = False) -> dict[str, Json]:
    """The same for programs; in full with key, headers and value in base64, as they stand on the topic."""
    letter = one.letter
    told: dict[str, Json] = {
        "letter": letter.name,
        "letterId": str(letter.letter_id),
        "time": letter.time.astimezone(UTC).isoformat(),
        "reason": letter.reason,
        "error": letter.error,
        "topic": letter.origin.topic,
        "partition": letter.origin.partition,
        "offset": letter.origin.offset,
        "consumer": letter.consumer,
        "requestId": letter.request_id,
        "attempts": letter.attempts,
        "valueBytes": letter.value_bytes,
        "whole": letter.whole,
        "state": "open" if one.resolution is None else one.resolution.resolution,
        "times": 0 if one.resolution is None else one.resolution.times,
        "note": None if one.resolution is None else one.resolution.note,
    }
    if in_full:
        told["key"] = _base64(letter.key)
        told["headers"] = [[name, _base64(value)] for name, value in letter.headers]
        told["value"] = _base64(letter.value)
    return told


def lines(one: Chosen) -> Iterator[str]:
    """One letter, for people."""
    letter, resolution = one.letter, one.resolution
    yield f"letter    {letter.name} ({letter.letter_id})"
    yield f"record    {letter.origin}"
    yield f"set aside {letter.time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC by {letter.consumer or 'an unknown consumer'}"
    yield f"reason    {letter.reason}"
    yield f"error     {printable(letter.error)}"
    if letter.request_id is not None:
        yield f"request   {printable(letter.request_id)}"
    if resolution is None:
        yield "state     open"
    else:
        note = "" if resolution.note is None else f": {printable(resolution.note)}"
        at = f"{resolution.resolved_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        yield f"state     {resolution.resolution} at {at}, {resolution.times} times{note}"
    yield f"key       {_shown(letter.key)}"
    for name, value in letter.headers:
        yield f"header    {printable(name)}: {_shown(value)}"
    part = "" if letter.whole else f", of which {len(letter.value or b''):,} are here"
    yield f"value     {letter.value_bytes:,} bytes{part}"
    yield _shown(letter.value)


def printable(text: str) -> str:
    """The text without what could steer a terminal."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)


def _shown(value: bytes | None) -> str:
    return "(none)" if value is None else printable(value.decode("utf-8", "backslashreplace"))


def _base64(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()
