"""The bodies that are taken, one class an endpoint: the contract's fields, and none besides."""

from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from fanzgpt_schemas.base import JsonObject, Label, Model, UserId
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
from fanzgpt_schemas.requests import GenerationType, Options


def _config(example: JsonObject) -> ConfigDict:
    # Unknown fields are refused: a mistyped optional field would silently change nothing.
    return ConfigDict(extra="forbid", validate_by_name=False, json_schema_extra={"examples": [example]})


class Asked(Model):
    """What every body may hold beside its type's own fields."""

    type: ClassVar[GenerationType]
    needs_user: ClassVar[bool] = False

    user_id: Annotated[
        UserId | None,
        Field(description="On whose behalf a service asks. Left out with a user's token, which names the user."),
    ] = None
    options: Annotated[
        Options,
        Field(description="provider, model, temperature, maxTokens; tone, language and the like reach the prompt."),
    ] = Options()
    conversation_id: Annotated[
        Label | None, Field(description="Requests of one conversation are answered one after another.")
    ] = None

    def input(self) -> dict[str, Any]:
        """The fields of the type, as they travel."""
        common = set(Asked.model_fields)
        return self.model_dump(by_alias=True, exclude=common, exclude_unset=True)


class SocialPostBody(SocialPostInput, Asked):
    """A post about a topic, shaped for a platform."""

    type = "social-post"
    needs_user = True
    model_config = _config({"userId": "test-user-1", "topic": "morning workout", "platform": "instagram"})


class PersonalizedMessageBody(PersonalizedMessageInput, Asked):
    """A message from a creator to one recipient."""

    type = "personalized-message"
    needs_user = True
    model_config = _config(
        {"userId": "test-user-1", "recipientId": "fan-1", "context": "a first tip", "relationship": "subscriber"}
    )


class ChatResponseBody(ChatResponseInput, Asked):
    """A reply to a message, given the conversation so far."""

    type = "chat-response"
    needs_user = True
    model_config = _config(
        {"userId": "test-user-1", "message": "How was your day?", "history": [{"role": "user", "content": "Hi!"}]}
    )


class ConversationStartersBody(ConversationStartersInput, Asked):
    """Opening lines; exactly `count` of them."""

    type = "conversation-starters"
    model_config = _config({"context": "a new subscriber who likes hiking", "count": 3})


class ContentCalendarBody(ContentCalendarInput, Asked):
    """A dated plan for a timeframe."""

    type = "content-calendar"
    needs_user = True
    model_config = _config({"userId": "test-user-1", "timeframe": "2 weeks", "preferences": {"tone": "warm"}})


class PerformanceAnalysisBody(PerformanceAnalysisInput, Asked):
    """An analysis of the user's own figures."""

    type = "performance-analysis"
    model_config = _config({"timeframe": "last week"})


class ImageAnalysisBody(ImageAnalysisInput, Asked):
    """A look at one image."""

    type = "image-analysis"
    image_url: Annotated[
        str,
        Field(
            pattern=r"^([hH][tT][tT][pP][sS]?://[^\s/?#]+[^\s]*|data:image/[a-z+.-]{1,20};base64,[A-Za-z0-9+/]+={0,2})$",
            max_length=24_000_000,
            description="An https address, the address of an uploaded image, or a data:image/...;base64 URL, which is "
            "kept as an upload.",
        ),
    ]
    model_config = _config({"imageUrl": "https://images.example/beach.jpg", "analysisType": "composition"})


class VoiceSynthesisBody(VoiceSynthesisInput, Asked):
    """Speech from text."""

    type = "voice-synthesis"
    model_config = _config({"text": "Good morning!", "voice": "alloy"})
