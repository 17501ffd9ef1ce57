"""Request ids for callers that bring none: time-ordered, so that a person can sort by them."""

import os
import time
from uuid import UUID


def uuid7(milliseconds: int, entropy: bytes) -> UUID:
    """The UUIDv7 (RFC 9562) of an instant, in milliseconds since the epoch, and ten random bytes."""
    number = milliseconds << 80 | int.from_bytes(entropy)
    number = number & ~(0xF << 76) | 0x7 << 76
    return UUID(int=number & ~(0x3 << 62) | 0x2 << 62)


def new_request_id() -> str:
    """A fresh id from the machine's clock and randomness."""
    return str(uuid7(time.time_ns() // 1_000_000, os.urandom(10)))
