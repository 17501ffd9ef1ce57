"""A short tune in place of a voice: the stand-in where no engine speaks. The same text is the same tune, as WAV."""

import math
import struct
from typing import Final

from fanzgpt_workers.errors import Refused
from fanzgpt_workers.ports import Completion, ProviderCall

MODEL: Final = "tones-1"
RATE: Final = 8_000
_NOTE_SECONDS: Final = 0.12
_MOST_NOTES: Final = 50
_LOUD: Final = 6_000
_FADE: Final = 160
_SCALE: Final = (261.63, 293.66, 329.63, 392.0, 440.0, 523.25, 587.33)


def speak(call: ProviderCall) -> Completion:
    """The tune as an answer; raises Refused where nothing is to be spoken, or in another format than WAV."""
    speech = call.prompt.speech
    if speech is None:
        raise Refused("the stand-in speaks texts, and this call has none")
    if speech.format != "wav":
        raise Refused("the stand-in makes wav and nothing else")
    return Completion(text="", model=MODEL, response_id=None, finish_reason="stop", usage=None, audio=tune(speech.text))


def tune(text: str) -> bytes:
    """One note a word, higher or lower by its letters; a WAV file of one channel."""
    words = text.split()[:_MOST_NOTES]
    samples: list[int] = []
    for word in words:
        pitch = _SCALE[sum(map(ord, word)) % len(_SCALE)]
        count = round(RATE * _NOTE_SECONDS)
        for at in range(count):
            fade = min(1.0, at / _FADE, (count - at) / _FADE)  # without it each note would begin and end in a click
            samples.append(round(_LOUD * fade * math.sin(2 * math.pi * pitch * at / RATE)))
    data = struct.pack(f"<{len(samples)}h", *samples)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        RATE,
        2 * RATE,
        2,
        16,
        b"data",
        len(data),
    )
    return head + data
