"""OpenAI's speech on the wire (developers' API reference, "Audio"): a text in, a file of audio out."""

from math import pi, sin
from struct import pack
from typing import Final
from zlib import crc32

import orjson

from fanzgpt_stack.emulator.calls import Call, CallRefused, member
from fanzgpt_stack.emulator.http_requests import HttpRequest
from fanzgpt_stack.emulator.openai_shape import OpenAIShape
from fanzgpt_stack.emulator.own_ids import attempt_id, request_id

PATH: Final = "/v1/audio/speech"
MODELS: Final = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
MOST_CHARACTERS: Final = 4_096
MEDIA_TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_MAGIC: Final = {"mp3": b"ID3\x04\0\0\0\0\0\0", "opus": b"OggS\0\x02", "aac": b"\xff\xf1", "flac": b"fLaC"}
_VOICES: Final = frozenset(
    {
        *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer"),
        "verse",
    }
)
_RATE: Final = 24_000
_SECONDS_PER_CHARACTER: Final = 0.002


class SpeechShape(OpenAIShape):
    """As for text, but for what is asked and what is answered; its errors are the same."""

    def read(self, request: HttpRequest) -> Call:
        """The call in a body of `POST /v1/audio/speech`."""
        try:
            asked = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            raise CallRefused("We could not parse the JSON body of your request.") from None
        model, text, voice = (member(asked, name) for name in ("model", "input", "voice"))
        form = asked.get("response_format", "mp3")
        if not isinstance(model, str) or not model:
            raise CallRefused("you must provide a model parameter")
        if not isinstance(text, str) or not 0 < len(text) <= MOST_CHARACTERS:
            raise CallRefused(f"input: a string of 1 to {MOST_CHARACTERS} characters")
        if voice not in _VOICES:
            raise CallRefused(f"Input should be {', '.join(sorted(_VOICES))}")
        if form not in MEDIA_TYPES:
            raise CallRefused(f"response_format: one of {', '.join(MEDIA_TYPES)}")
        return Call(
            vendor="openai",
            path=request.path,
            model=model,
            stream=False,
            stream_usage=False,
            max_tokens=None,
            input_tokens=0,
            schema=None,
            tool=None,
            seed=crc32(request.body),
            request_id=request_id(request),
            attempt_id=attempt_id(request),
            account=request.header(b"authorization") or "",
            speech=form,
            characters=len(text),
        )


def audio(call: Call, signature: str) -> bytes:
    """The file: of `wav` and `pcm` a tone, of the others what such a file begins with; the same for the same call."""
    form = call.speech or "mp3"
    if form in _MAGIC:
        return _MAGIC[form] + signature.encode() + b"\0" * call.characters
    pitch = 200 + call.seed % 400
    count = round(_RATE * _SECONDS_PER_CHARACTER * call.characters)
    data = b"".join([pack("<h", round(8_000 * sin(2 * pi * pitch * at / _RATE))) for at in range(count)])
    if form == "pcm":
        return data
    told = (b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, _RATE, 2 * _RATE, 2, 16, b"data", len(data))
    return pack("<4sI4s4sIHHIIHH4sI", *told) + data
