"""What each sink reads, by hand, and the query that counts what it has stored."""

from collections.abc import Callable
from dataclasses import dataclass

from fanzgpt_schemas.events import ANALYTICS_TOPIC, COMPLETED_TOPIC, PREFERENCES_TOPIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A sink, its topic, an event for it, and the query that counts what it has stored."""

    topic: str
    event: Callable[[str, int], dict[str, object]]
    query: str


SINKS = {
    "history-sink": Stored(
        topic=COMPLETED_TOPIC,
        event=lambda user, number: {
            "userId": user,
            "requestId": f"{user}-{number}",
            "type": "social-post",
            "input": {},
            "output": {"post": f"{number}"},
        },
        query="SELECT coalesce(sum((ai_usage_stats ->> 'total_generations')::int), 0), (SELECT count(*) FROM"
        " ai_generation_history) FROM users",
    ),
    "analytics-sink": Stored(
        topic=ANALYTICS_TOPIC,
        event=lambda user, number: {"userId": user, "event": "post-viewed", "data": {"number": number}},
        query="SELECT count(*), count(*) FROM ai_analytics",
    ),
    "preferences-sink": Stored(
        topic=PREFERENCES_TOPIC,
        event=lambda user, number: {"userId": user, "preferences": {f"preference-{number}": True}},
        query="SELECT (SELECT count(*) FROM ai_preference_versions), count(*) FROM users, jsonb_object_keys(ai_preferences)",
    ),
}
