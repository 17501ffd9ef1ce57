import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from fanzgpt_stack.kafka.metadata import known_brokers


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that gives one answer to whatever it is sent; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def answer(*brokers: int, correlation: int = 7) -> bytes:
    rows = b"".join(
        struct.pack(">ih9sih", broker, 9, b"127.0.0.1", 9092, -1 if broker % 2 else 1) + (b"" if broker % 2 else b"a")
        for broker in brokers
    )
    body = struct.pack(">ii", correlation, len(brokers)) + rows
    return struct.pack(">i", len(body)) + body


def test_every_broker_is_named_with_and_without_a_rack() -> None:
    with answering(answer(1, 2, 3)) as port:
        assert known_brokers("127.0.0.1", port, timeout=5) == {1, 2, 3}


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        answer(1)[:-3],
        answer(1, correlation=8),
        struct.pack(">i", -1),
        struct.pack(">iii", 8, 7, 5),
    ],
    ids=["nothing", "http", "cut", "another-correlation", "negative-size", "no-brokers-where-five-are-told"],
)
def test_whatever_else_answers_is_no_broker(told: bytes) -> None:
    with answering(told) as port, pytest.raises(OSError, match=r"."):
        known_brokers("127.0.0.1", port, timeout=5)
