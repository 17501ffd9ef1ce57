"""Speech as OpenAI makes it, and servers compatible with it: the body of a call and the reading of an answer.

The answer is the audio itself and tells no usage. The models that are charged by character are therefore charged by
what was sent; for the others (`gpt-4o-mini-tts`, by tokens of audio) the cost is not known, and is not guessed.
"""

import re
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from fanzgpt_workers.core.attempts import Usage
from fanzgpt_workers.errors import Malformed
from fanzgpt_workers.ports import Completion, ProviderCall, Speech
from fanzgpt_workers.providers.endpoint import Bounds
from fanzgpt_workers.providers.exchange import Answer

PATH: Final = "/audio/speech"
ANSWER_BYTES: Final = 32 * 1024 * 1024
"""Of WAV, the largest of the formats, the longest text that OpenAI speaks takes less than half of this."""

_BY_TOKENS: Final = re.compile(r"gpt-")


def speech_bounds(bounds: Bounds) -> Bounds:
    """The bounds of a connection over which audio comes."""
    return replace(bounds, answer_bytes=ANSWER_BYTES)


def body(call: ProviderCall, speech: Speech) -> dict[str, JsonValue]:
    """The JSON body of the call."""
    return {"model": call.model, "input": speech.text, "voice": speech.voice, "response_format": speech.format}


def read(answer: Answer, call: ProviderCall, speech: Speech) -> Completion:
    """The speech in an answer; raises Malformed where it is none."""
    kind = answer.headers.get("content-type", "")
    if not answer.content or kind.startswith(("text/", "application/json")):
        raise Malformed(f"the answer is no audio ({kind[:60] or 'nothing'})")
    usage = None
    if not _BY_TOKENS.match(call.model):
        usage = Usage(input=0, output=0, characters=len(speech.text))
    return Completion(
        text="",
        model=call.model,
        response_id=answer.headers.get("x-request-id"),
        finish_reason="stop",
        usage=usage,
        audio=answer.content,
    )
