"""A request as its sender means it, and as it is written into the log."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from fanzgpt_schemas.identity import request_key


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request; another with its id and other content is its rival, and only one of them is answered."""

    request_id: str
    user: str
    conversation: str | None
    topic: str
    deadline: datetime | None = None
    on_unknown: str | None = None
    preferences: bool = False

    @cached_property
    def key(self) -> UUID:
        """Its identity."""
        return request_key(self.user, self.request_id)

    def value(self) -> bytes:
        """The record's value."""
        more: dict[str, object] = {}
        if self.conversation is not None:
            more["conversationId"] = self.conversation
        if self.deadline is not None:
            more["deadline"] = self.deadline.isoformat()
        if self.on_unknown is not None:
            more["onUnknown"] = self.on_unknown
        if self.preferences:
            more["options"] = {"preferences": {"tone": self.topic}}
        return json.dumps(
            {
                "requestId": self.request_id,
                "userId": self.user,
                "type": "social-post",
                "input": {"topic": self.topic, "platform": "x"},
                **more,
            }
        ).encode()
