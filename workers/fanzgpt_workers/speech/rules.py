"""Which voices and formats may be asked for, and how much text at once."""

from dataclasses import dataclass
from typing import Final

from fanzgpt_schemas.requests import VoiceSynthesisRequested
from fanzgpt_workers.errors import InputRefused
from fanzgpt_workers.ports import Prompt, Speech

VERSION: Final = "voice-synthesis/1"
MEDIA_TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/L16",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRules:
    """What may be asked for. `voices` empty means any: only the endpoint knows them."""

    voices: frozenset[str]
    most_characters: int
    default_format: str
    formats: frozenset[str] = frozenset(MEDIA_TYPES)

    def prompt(self, event: VoiceSynthesisRequested) -> Prompt:
        """The text with its voice and format, as it will be sent; raises InputRefused for what nobody can speak."""
        asked = event.input
        form = asked.format or event.options.extras.get("format") or self.default_format
        if not isinstance(form, str) or form.lower() not in self.formats:
            raise InputRefused(f"format: there is {', '.join(sorted(self.formats))}")
        voice = asked.voice.lower()
        if self.voices and voice not in self.voices:
            raise InputRefused(f"voice: there is {', '.join(sorted(self.voices))}")
        text = asked.text.replace("\0", "\ufffd").strip()
        if not text:
            raise InputRefused("text: there is nothing in it to say")
        if len(text) > self.most_characters:
            raise InputRefused(f"text: at most {self.most_characters:,} characters are spoken at once")
        spoken = Speech(text=text, voice=voice if self.voices else asked.voice, format=form.lower())
        return Prompt(version=VERSION, system="", turns=(), speech=spoken)
