"""Strings of a given format or length."""

from random import Random
from typing import Final
from uuid import UUID

# fmt: off
_WORDS: Final = [
    "golden", "hour", "light", "studio", "evening", "velvet", "rehearsal", "coffee", "letter", "autumn",
    "mirror", "laughter", "silver", "city", "rooftop", "garden", "thunder", "music", "candle", "poster",
    "dancer", "harbour", "winter", "comet", "paper", "orchid", "window", "signal", "river", "summer",
]
# fmt: on


def formatted(name: str, random: Random) -> str | None:
    """A text of a JSON schema format; None for a format that allows any text."""
    day, clock = _day(random), f"{random.randrange(24):02}:{random.randrange(60):02}:{random.randrange(60):02}Z"
    number = random.getrandbits(32)
    match name:
        case "date":
            return day
        case "time":
            return clock
        case "date-time":
            return f"{day}T{clock}"
        case "duration":
            return f"PT{number % 600}S"
        case "email":
            return f"fan{number}@example.com"
        case "hostname":
            return f"host{number}.example.com"
        case "uri":
            return f"https://example.com/{number:x}"
        case "ipv4":
            return f"192.0.2.{number % 256}"
        case "ipv6":
            return f"2001:db8::{number % 65536:x}"
        case "uuid":
            return str(UUID(int=random.getrandbits(128), version=4))
        case _:
            return None


def worded(opening: str, least: int, most: int, random: Random) -> str:
    """The opening and then words, within the bounds of length; never blank where there may be something."""
    text = opening
    wanted = max(least, min(most, len(opening) + 24))
    while len(text) < wanted:
        text = f"{text} {random.choice(_WORDS)}" if text else random.choice(_WORDS)
    text = text[:wanted]
    return f"{text[:-1]}." if text.endswith(" ") else text


def _day(random: Random) -> str:
    return f"20{random.randrange(26, 30)}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
