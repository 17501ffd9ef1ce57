"""The request: one class per generation type, so that `type` decides what `input` must hold."""

from typing import Annotated, Final, Literal, get_args

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter

from fanzgpt_schemas.base import Instant, JsonObject, Label, Model, RequestId, UserId
from fanzgpt_schemas.inputs import (
    ChatResponseInput,
    ContentCalendarInput,
    ConversationStartersInput,
    ImageAnalysisInput,
    PerformanceAnalysisInput,
    PersonalizedMessageInput,
    SocialPostInput,
    VoiceSynthesisInput,
)

GenerationType = Literal[
    "social-post",
    "personalized-message",
    "chat-response",
    "conversation-starters",
    "content-calendar",
    "performance-analysis",
    "image-analysis",
    "voice-synthesis",
]
GENERATION_TYPES: Final[tuple[GenerationType, ...]] = get_args(GenerationType)
OnUnknown = Literal["retry", "fail"]


class Options(Model):
    """What a caller may choose about one generation; further fields (tone, language) reach the prompt as they are."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    provider: Label | None = None
    model: Label | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=200_000)] | None = None
    preferences: JsonObject | None = None

    @property
    def extras(self) -> dict[str, JsonValue]:
        """The fields beyond the named ones, as the caller sent them."""
        return self.model_extra or {}


class _Requested(Model):
    """Fields of every request. Everything but user, type and input is optional on the wire.

    `request_id`: the caller's id, unique within the user; the codec fills it in when it is missing.
    `deadline`: an answer after this instant is of no use; nothing is spent past it.
    `on_unknown`: what to do with a call whose outcome a crash hid: call again (`retry`) or end as failed (`fail`).
    `stream`: show the answer while it is made, to those who watch; the ending is the same with it and without.
    """

    request_id: RequestId
    user_id: UserId
    options: Options = Options()
    conversation_id: Label | None = None
    deadline: Instant | None = None
    on_unknown: OnUnknown | None = None
    stream: bool | None = None
    metadata: JsonObject | None = None


class SocialPostRequested(_Requested):
    """Asks for `{post}`."""

    type: Literal["social-post"] = "social-post"
    input: SocialPostInput


class PersonalizedMessageRequested(_Requested):
    """Asks for `{message}`."""

    type: Literal["personalized-message"] = "personalized-message"
    input: PersonalizedMessageInput


class ChatResponseRequested(_Requested):
    """Asks for `{response}`."""

    type: Literal["chat-response"] = "chat-response"
    input: ChatResponseInput


class ConversationStartersRequested(_Requested):
    """Asks for `{starters}`."""

    type: Literal["conversation-starters"] = "conversation-starters"
    input: ConversationStartersInput


class ContentCalendarRequested(_Requested):
    """Asks for `{calendar}`."""

    type: Literal["content-calendar"] = "content-calendar"
    input: ContentCalendarInput


class PerformanceAnalysisRequested(_Requested):
    """Asks for `{analysis}` of the user's own figures."""

    type: Literal["performance-analysis"] = "performance-analysis"
    input: PerformanceAnalysisInput


class ImageAnalysisRequested(_Requested):
    """Asks for `{analysis}` of an image."""

    type: Literal["image-analysis"] = "image-analysis"
    input: ImageAnalysisInput


class VoiceSynthesisRequested(_Requested):
    """Asks for `{audioUrl}`."""

    type: Literal["voice-synthesis"] = "voice-synthesis"
    input: VoiceSynthesisInput


GenerationRequested = (
    SocialPostRequested
    | PersonalizedMessageRequested
    | ChatResponseRequested
    | ConversationStartersRequested
    | ContentCalendarRequested
    | PerformanceAnalysisRequested
    | ImageAnalysisRequested
    | VoiceSynthesisRequested
)

REQUESTED: Final[TypeAdapter[GenerationRequested]] = TypeAdapter(
    Annotated[GenerationRequested, Field(discriminator="type")]
)
