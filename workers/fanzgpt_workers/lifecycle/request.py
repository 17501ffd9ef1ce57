"""A request as it lives in the worker, with what identifies it."""

from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from fanzgpt_schemas.fingerprint import fingerprint
from fanzgpt_schemas.identity import request_key, user_key
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.core.claims import Claim
from fanzgpt_workers.core.origin import Origin


@dataclass(frozen=True, kw_only=True)
class LiveRequest:
    """The event, where it stands in the log, and its sender's trace."""

    event: GenerationRequested
    origin: Origin
    stated_at_ms: int
    traceparent: str | None

    @cached_property
    def key(self) -> UUID:
        """The request's identity in the ledger and in every event about it."""
        return request_key(self.event.user_id, self.event.request_id)

    @cached_property
    def fingerprint(self) -> bytes:
        """What is asked, digested."""
        return fingerprint(self.event)

    def claim(self, owner: UUID, *, term: int) -> Claim:
        """The wish to own this request, as the holder of its partition in that term."""
        event = self.event
        return Claim(
            request_key=self.key,
            request_id=event.request_id,
            user_id=event.user_id,
            user_key=user_key(event.user_id),
            generation_type=event.type,
            fingerprint=self.fingerprint,
            origin=self.origin,
            owner=owner,
            term=term,
            deadline=event.deadline,
            conversation_id=event.conversation_id,
        )
