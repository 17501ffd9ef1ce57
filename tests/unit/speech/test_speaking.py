"""What may be spoken, what the stand-in makes of it, and where it is kept before anybody is told."""

import io
import wave
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.prompts.requested import requested

from fanzgpt_schemas.requests import VoiceSynthesisRequested
from fanzgpt_schemas.uploads import is_signed, signature
from fanzgpt_workers.errors import InputRefused, Refused, ServerError, StoreUnavailable
from fanzgpt_workers.object_store import open_objects
from fanzgpt_workers.ports import Completion, Prompt, ProviderCall
from fanzgpt_workers.prompts.library import PromptLibrary
from fanzgpt_workers.speech.keeping import KeptSpeech
from fanzgpt_workers.speech.rules import SpeechRules
from fanzgpt_workers.speech.tones import tune
from fanzgpt_workers.stand_in import StandIn

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RULES = SpeechRules(voices=frozenset({"alloy", "nova"}), most_characters=50, default_format="mp3")
SECRET = "a-key-that-signs-links"


def spoken(text: str = "Good morning!", voice: str = "alloy", **more: str) -> Prompt:
    event = requested("voice-synthesis", text=text, voice=voice, **more)
    assert isinstance(event, VoiceSynthesisRequested)
    return RULES.prompt(event)


def a_call(prompt: Prompt, timeout: float = 5.0) -> ProviderCall:
    return ProviderCall(
        model="tts-1",
        prompt=prompt,
        max_tokens=10,
        temperature=0.5,
        timeout=timeout,
        request_id="r-1",
        attempt_id=uuid4(),
    )


def test_a_voice_and_a_format_are_known_in_any_case() -> None:
    prompt = spoken(voice="Nova", format="WAV")
    assert prompt.speech is not None
    assert (prompt.speech.voice, prompt.speech.format, prompt.version) == ("nova", "wav", "voice-synthesis/1")
    assert prompt.characters == len("Good morning!")


def test_the_format_may_stand_in_the_options_too() -> None:
    event = requested("voice-synthesis", {"format": "opus"}, text="hello", voice="alloy")
    assert isinstance(event, VoiceSynthesisRequested)
    speech = RULES.prompt(event).speech
    assert speech is not None
    assert speech.format == "opus"


@pytest.mark.parametrize(
    "wrong", [{"voice": "neighbour"}, {"format": "midi"}, {"text": "x" * 51}, {"text": " \n "}, {"text": "\t"}]
)
def test_what_nobody_can_speak_is_refused_before_it_costs(wrong: dict[str, str]) -> None:
    with pytest.raises(InputRefused):
        spoken(**wrong)


@given(st.text(min_size=1, max_size=300))
def test_any_text_becomes_a_tune_that_can_be_played(text: str) -> None:
    with wave.open(io.BytesIO(tune(text))) as played:
        assert played.getnchannels() == 1
        assert played.getnframes() <= 50 * 960
    assert tune(text) == tune(text)


async def test_the_stand_in_makes_wav_and_nothing_else() -> None:
    completion = await StandIn().complete(a_call(spoken(format="wav")))
    assert completion.audio.startswith(b"RIFF")
    assert completion.usage is None
    with pytest.raises(Refused):
        await StandIn().complete(a_call(spoken(format="mp3")))
    with pytest.raises(Refused):
        await StandIn().complete(a_call(Prompt(version="x/1", system="", turns=())))


async def test_speech_is_in_the_store_when_its_link_is_told(tmp_path: Path) -> None:
    store = open_objects(tmp_path.as_uri(), gateway_url="https://gpt.example/", secret=SECRET, now=lambda: NOW)
    kept = KeptSpeech(StandIn(), store, now=lambda: NOW, link_seconds=60)
    event = requested("voice-synthesis", text="hello", voice="alloy", format="wav")
    call = a_call(spoken(format="wav"))
    completion = await kept.complete(call)
    assert completion.audio == b""
    output = PromptLibrary(today=NOW.date).read(event, completion)
    assert output["format"] == "wav"
    assert output["expiresAt"] == "2026-11-23T12:01:00Z"
    key = f"audio/{call.attempt_id}.wav"
    until = int((NOW + timedelta(seconds=60)).timestamp())
    signed = signature(key, expires=until, secret=SECRET.encode())
    assert output["audioUrl"] == f"https://gpt.example/media/{key}?expires={until}&signature={signed}"
    assert (tmp_path / key).read_bytes() == tune("Good morning!")
    assert await store.get(key, most_bytes=1_000_000) == tune("Good morning!")
    assert await store.get(key, most_bytes=10) is None
    assert await store.get("audio/none", most_bytes=10) is None


class Away:
    """A store that is away for a while."""

    def __init__(self, times: int) -> None:
        self.left = times

    async def get(self, key: str, *, most_bytes: int) -> bytes | None:
        raise NotImplementedError(key, most_bytes)

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        assert key
        assert data
        assert media_type == "audio/wav"
        self.left -= 1
        if self.left >= 0:
            raise StoreUnavailable("away")

    async def link(self, key: str, *, expires: datetime) -> str:
        return f"https://store.example/{key}?{expires:%s}"


class Counted(StandIn):
    """A provider that counts what it is asked for."""

    calls = 0

    async def complete(self, call: ProviderCall) -> Completion:
        self.calls += 1
        return await super().complete(call)


async def test_speech_that_is_paid_for_is_not_made_again_because_the_store_is_away() -> None:
    provider = Counted()
    completion = await KeptSpeech(provider, Away(2), now=lambda: NOW, link_seconds=60).complete(
        a_call(spoken(format="wav"))
    )
    assert "https://store.example/audio/" in completion.text
    assert provider.calls == 1


async def test_a_store_that_stays_away_ends_the_call_as_one_that_may_be_billed() -> None:
    provider = Counted()
    with pytest.raises(ServerError) as caught:
        await KeptSpeech(provider, Away(1_000), now=lambda: NOW, link_seconds=60).complete(
            a_call(spoken(format="wav"), timeout=0.5)
        )
    assert caught.value.maybe_billed
    assert provider.calls == 1


@given(st.text(max_size=20), st.integers(0, 2**40), st.text(max_size=70))
def test_a_signature_holds_for_one_key_and_one_time(key: str, expires: int, forged: str) -> None:
    secret = SECRET.encode()
    signed = signature(key, expires=expires, secret=secret)
    assert is_signed(key, expires=expires, secret=secret, presented=signed)
    assert not is_signed(key, expires=expires + 1, secret=secret, presented=signed)
    assert not is_signed(key + "x", expires=expires, secret=secret, presented=signed)
    assert not is_signed(key, expires=expires, secret=b"another", presented=signed)
    assert not is_signed(key, expires=expires, secret=secret, presented=forged)


def test_a_text_that_is_not_spoken_is_no_speech() -> None:
    assert replace(spoken(), speech=None).characters == 0
