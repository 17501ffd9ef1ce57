"""What an answered call came to: its settlement in the ledger, and what its request's events tell of it."""

from dataclasses import replace
from uuid import UUID

from fanzgpt_workers.core.attempts import AttemptEnded, Price, Usage
from fanzgpt_workers.lifecycle.events import Course
from fanzgpt_workers.ports import Completion


def accounted(
    completion: Completion,
    course: Course,
    *,
    attempt_id: UUID,
    usage: Usage | None,
    price: Price | None,
    call_ms: int | None,
) -> tuple[AttemptEnded, Course]:
    """Both; `course` is what was known before the answer but for its latency, `call_ms` how long the call took."""
    ended = AttemptEnded(
        attempt_id=attempt_id,
        outcome="ok",
        response_id=completion.response_id,
        usage=usage,
        price=price,
        finish_reason=completion.finish_reason,
        latency_ms=call_ms,
    )
    told = replace(
        course,
        model=completion.model or course.model,
        usage=usage,
        price=price,
        finish_reason=completion.finish_reason,
    )
    return ended, told
