"""The first question to a broker: Kafka's own Metadata request, version 1, over a plain socket.

A few bytes by hand, because a whole client takes longer to import than the answer takes to come.
"""

import socket
import struct
from typing import Final

_METADATA: Final = 3
_API_VERSION: Final = 1
_CORRELATION: Final = 7
_CLIENT: Final = b"fanzgpt-stack"
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024


def known_brokers(host: str, port: int, *, timeout: float) -> frozenset[int]:
    """The ids of the brokers that this one says are in service. Raises OSError if it does not answer in `timeout` s."""
    head = struct.pack(f">hhih{len(_CLIENT)}s", _METADATA, _API_VERSION, _CORRELATION, len(_CLIENT), _CLIENT)
    request = head + struct.pack(">i", 0)  # of no topic
    with socket.create_connection((host, port), timeout=timeout) as connection:
        connection.settimeout(timeout)
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", _exactly(connection, 4))
        if not 0 < size < _MAX_ANSWER_BYTES:
            raise ConnectionError(f"{host}:{port} does not speak Kafka's protocol")
        answer = _exactly(connection, size)
    try:
        return frozenset(_broker_ids(answer))
    except struct.error as error:
        raise ConnectionError(f"{host}:{port} does not speak Kafka's protocol") from error


def _broker_ids(answer: bytes) -> list[int]:
    """The ids in an answer: correlation, then an array of (id, host, port, rack)."""
    correlation, count = struct.unpack_from(">ii", answer)
    if correlation != _CORRELATION:
        raise ConnectionError("the answer belongs to another request")
    position, ids = 8, []
    for _ in range(count):
        (broker,) = struct.unpack_from(">i", answer, position)
        position = _after_text(answer, position + 4) + 4
        position = _after_text(answer, position)
        ids.append(broker)
    return ids


def _after_text(answer: bytes, position: int) -> int:
    length: int = struct.unpack_from(">h", answer, position)[0]
    return position + 2 + max(length, 0)


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError("the connection was closed in the middle of an answer")
        received += part
    return bytes(received)
