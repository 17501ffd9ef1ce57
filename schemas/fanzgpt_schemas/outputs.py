"""What each generation type answers with: the answer objects of the REST table."""

from datetime import date
from typing import Annotated, Final

from pydantic import Field

from fanzgpt_schemas.base import Label, Model, Text
from fanzgpt_schemas.requests import GenerationType


class SocialPostOutput(Model):
    """`{post}`."""

    post: Text


class PersonalizedMessageOutput(Model):
    """`{message}`."""

    message: Text


class ChatResponseOutput(Model):
    """`{response}`."""

    response: Text


class ConversationStartersOutput(Model):
    """`{starters}`: as many as were asked for."""

    starters: Annotated[tuple[Text, ...], Field(min_length=1, max_length=20)]


class CalendarEntry(Model):
    """One planned piece of content."""

    date: date
    platform: Label
    idea: Text


class ContentCalendar(Model):
    """Planned pieces in date order."""

    entries: Annotated[tuple[CalendarEntry, ...], Field(min_length=1, max_length=100)]


class ContentCalendarOutput(Model):
    """`{calendar}`."""

    calendar: ContentCalendar


class PerformanceAnalysis(Model):
    """What the figures say and what to do about it."""

    summary: Text
    insights: Annotated[tuple[Text, ...], Field(min_length=1, max_length=10)]
    recommendations: Annotated[tuple[Text, ...], Field(min_length=1, max_length=10)]


class PerformanceAnalysisOutput(Model):
    """`{analysis}`."""

    analysis: PerformanceAnalysis


class ImageAnalysisOutput(Model):
    """`{analysis}`."""

    analysis: Text


class VoiceSynthesisOutput(Model):
    """`{audioUrl}`: a signed link that expires."""

    audio_url: Text


OUTPUTS: Final[dict[GenerationType, type[Model]]] = {
    "social-post": SocialPostOutput,
    "personalized-message": PersonalizedMessageOutput,
    "chat-response": ChatResponseOutput,
    "conversation-starters": ConversationStartersOutput,
    "content-calendar": ContentCalendarOutput,
    "performance-analysis": PerformanceAnalysisOutput,
    "image-analysis": ImageAnalysisOutput,
    "voice-synthesis": VoiceSynthesisOutput,
}
