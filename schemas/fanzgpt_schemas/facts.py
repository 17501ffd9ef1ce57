"""Facts that follow a generation: analytics, preferences, and the records that could not be used."""

from typing import Annotated

from pydantic import Field

from fanzgpt_schemas.base import Count, Instant, JsonObject, Label, Model, UserId

EventName = Annotated[str, Field(min_length=1, max_length=50)]


class AnalyticsEvent(Model):
    """Something that happened to a user, with its data; becomes one `ai_analytics` row."""

    user_id: UserId
    event: EventName
    data: JsonObject


class PreferencesUpdated(Model):
    """What is now known of a user's preferences.

    Each key is last-writer-wins by (`version`, event id): any order and any duplication give the same state.
    `version` is milliseconds since the epoch at which the preference was stated; without one, the event's own time.
    """

    user_id: UserId
    preferences: JsonObject
    version: Count | None = None


class DeadLetter(Model):
    """A record that could not be used, kept whole: bytes in base64, where it came from, and why it is here.

    `value_bytes`: how long the value was, where it was too long for this topic and `value` holds only its beginning.
    `consumer`: the group that could not use it.
    """

    topic: str
    partition: Count
    offset: Count
    key: str | None = None
    value: str | None = None
    value_bytes: Count | None = None
    headers: tuple[tuple[str, str], ...] = ()
    reason: Label
    error: str
    attempts: Count = 1
    time: Instant
    consumer: str | None = None
