"""Whether a record belongs to a request."""

from base64 import b64decode
from binascii import Error as NotBase64

import orjson

from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.records import Record


def names_request(record: Record, request_id: str) -> bool:
    """Whether headers or value name the request id; a dead letter names what the record in it names."""
    wanted = request_id.encode()
    if any(name in ("request_id", "ce_id") and value == wanted for name, value in record.headers):
        return True
    value = record.value
    if not value or not (wanted in value or b'"offset"' in value or b"\\" in value):
        return False
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(document, dict):
        return False
    data = document.get("data")
    bodies = [document, data] if isinstance(data, dict) else [document]
    return any(body.get("requestId") == request_id for body in bodies) or _letter_names(document, wanted)


def letter_of(record: Record) -> Origin | None:
    """The place of the record that a dead letter is about; None for whatever is no dead letter."""
    try:
        document = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    match document:
        case {"topic": str(topic), "partition": int(partition), "offset": int(offset), "reason": str()}:
            return Origin(topic, partition, offset)
        case _:
            return None


def _letter_names(document: dict[str, object], wanted: bytes) -> bool:
    match document:
        case {"topic": str(), "partition": int(), "offset": int(), "reason": str(), "value": str(value)}:
            try:
                return wanted in b64decode(value)
            except (NotBase64, ValueError):
                return False
        case _:
            return False
