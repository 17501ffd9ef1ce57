"""What is switched on, and which terms are not wanted."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from fanzgpt_workers.core.admission import Switch
from fanzgpt_workers.settings.group import Group


def _only_true(value: object) -> object:
    """A switch is on for `true` alone; every other text is off, so that a typing error never turns a feature on."""
    return value == "true" if isinstance(value, str) else value


def _terms(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(term.strip() for term in value.split(",") if term.strip())


OnlyTrue = Annotated[bool, BeforeValidator(_only_true)]
Terms = Annotated[tuple[str, ...], BeforeValidator(_terms)]


class FeatureSettings(Group):
    """What is switched on. Off unless the variable is exactly `true`."""

    content_generation: OnlyTrue = Field(
        default=False,
        alias="FEATURE_CONTENT_GENERATION",
        description="Posts, messages, calendars and performance analyses. The embedded stack turns it on.",
    )
    chat_assistance: OnlyTrue = Field(
        default=False,
        alias="FEATURE_CHAT_ASSISTANCE",
        description="Chat responses and conversation starters. The embedded stack turns it on.",
    )
    image_analysis: OnlyTrue = Field(
        default=False,
        alias="FEATURE_IMAGE_ANALYSIS",
        description="Image analysis. Off, as all of these, until somebody decides to pay for it. The embedded stack "
        "turns it on, with a stand-in that is no model.",
    )
    voice_processing: OnlyTrue = Field(
        default=False,
        alias="FEATURE_VOICE_PROCESSING",
        description="Voice synthesis. Off until somebody decides to pay for it; needs OBJECT_STORE_URL. The embedded "
        "stack turns it on, with a stand-in that is no voice.",
    )
    blocked_terms: Terms = Field(
        default=(),
        alias="BLOCKED_TERMS",
        description="Comma-separated terms that no request and no answer may contain, in any case or disguise of "
        "letters. None by default.",
        examples=["first term,second term"],
    )
    blocked_terms_file: str | None = Field(
        default=None,
        alias="BLOCKED_TERMS_FILE",
        description="File with one more blocked term a line (# begins a comment). It is read again within 5 s of a "
        "change. None by default.",
        examples=["/etc/fanzgpt/blocked-terms.txt"],
    )

    @property
    def switched_on(self) -> frozenset[Switch]:
        """The variables of the switches that are on."""
        switches: dict[Switch, bool] = {
            "FEATURE_CONTENT_GENERATION": self.content_generation,
            "FEATURE_CHAT_ASSISTANCE": self.chat_assistance,
            "FEATURE_IMAGE_ANALYSIS": self.image_analysis,
            "FEATURE_VOICE_PROCESSING": self.voice_processing,
        }
        return frozenset(switch for switch, on in switches.items() if on)
