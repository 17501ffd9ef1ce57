"""What each generation type is asked with: the request fields of the REST table, without the user."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from fanzgpt_schemas.base import JsonObject, Label, Model, Text

TextOrObject = Text | JsonObject
# Kept as it was sent: a parsed URL would come back respelled, and a signed link would no longer be the signed one.
WebAddress = Annotated[str, Field(max_length=8_000, pattern=r"^[hH][tT][tT][pP][sS]?://[^\s/?#]+[^\s]*$")]


class ChatTurn(Model):
    """One earlier line of a conversation."""

    role: Literal["user", "assistant", "system"] = "user"
    content: Text


def _turn(value: object) -> object:
    return {"role": "user", "content": value} if isinstance(value, str) else value


Turn = Annotated[ChatTurn, BeforeValidator(_turn, json_schema_input_type=Text | ChatTurn)]


class SocialPostInput(Model):
    """A post about a topic, shaped for a platform."""

    topic: Text
    platform: Label


class PersonalizedMessageInput(Model):
    """A message from a creator to one recipient."""

    recipient_id: Label
    context: TextOrObject
    relationship: Label


class ChatResponseInput(Model):
    """A reply to a message, given the conversation so far (oldest first; bare strings are the user's turns)."""

    message: Text
    history: tuple[Turn, ...] = Field(default=(), max_length=1_000)


class ConversationStartersInput(Model):
    """Opening lines; exactly `count` of them."""

    context: TextOrObject | None = None
    count: Annotated[int, Field(ge=1, le=20)] = 5


class ContentCalendarInput(Model):
    """A dated plan for a timeframe such as `2 weeks` or `2026-12`."""

    timeframe: Label
    preferences: JsonObject = Field(default={})


class PerformanceAnalysisInput(Model):
    """An analysis of the user's own figures within a timeframe."""

    timeframe: Label
    figures: JsonObject | None = None


class ImageAnalysisInput(Model):
    """A look at one image."""

    image_url: WebAddress
    analysis_type: Label


class VoiceSynthesisInput(Model):
    """Speech from text."""

    text: Text
    voice: Label
    format: Label | None = None
