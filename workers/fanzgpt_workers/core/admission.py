"""Whether a request may go on to cost money."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

Switch = Literal[
    "FEATURE_CONTENT_GENERATION", "FEATURE_CHAT_ASSISTANCE", "FEATURE_IMAGE_ANALYSIS", "FEATURE_VOICE_PROCESSING"
]

SWITCH_OF: Final[Mapping[str, Switch]] = {
    "social-post": "FEATURE_CONTENT_GENERATION",
    "personalized-message": "FEATURE_CONTENT_GENERATION",
    "chat-response": "FEATURE_CHAT_ASSISTANCE",
    "conversation-starters": "FEATURE_CHAT_ASSISTANCE",
    "content-calendar": "FEATURE_CONTENT_GENERATION",
    "performance-analysis": "FEATURE_CONTENT_GENERATION",
    "image-analysis": "FEATURE_IMAGE_ANALYSIS",
    "voice-synthesis": "FEATURE_VOICE_PROCESSING",
}


@dataclass(frozen=True, slots=True)
class Denied:
    """The request ends here, unpaid: as `rejected` or `expired`, with words for its sender."""

    reason: Literal["rejected", "expired"]
    detail: str


def admit(
    *, generation_type: str, deadline: datetime | None, now: datetime, switched_on: AbstractSet[Switch]
) -> Denied | None:
    """None when the request may go on; the deadline is looked at first, since nobody waits past it."""
    if deadline is not None and now >= deadline:
        return Denied("expired", f"the deadline {deadline.isoformat()} had passed when the request was taken up")
    switch = SWITCH_OF[generation_type]
    if switch not in switched_on:
        return Denied("rejected", f"{generation_type} is switched off here: {switch} is not `true`")
    return None
