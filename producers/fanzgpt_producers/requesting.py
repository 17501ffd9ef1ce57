"""From a request to the record that asks for it."""

from datetime import datetime
from typing import Final, Literal

from fanzgpt_schemas.codec import Encoded, encode
from fanzgpt_schemas.events import BATCH_TOPIC, PRIORITY_TOPIC, REQUESTED_TOPIC, TopicName
from fanzgpt_schemas.identity import event_id, request_key
from fanzgpt_schemas.requests import GenerationRequested

Priority = Literal["standard", "priority", "batch"]

TOPIC_BY_PRIORITY: Final[dict[Priority, TopicName]] = {
    "standard": REQUESTED_TOPIC,
    "priority": PRIORITY_TOPIC,
    "batch": BATCH_TOPIC,
}


def encode_request(
    request: GenerationRequested,
    *,
    time: datetime,
    source: str,
    priority: Priority = "standard",
    traceparent: str | None = None,
) -> Encoded:
    """The record. Its event id is derived from user and request id: published again, it is the same event.

    Raises:
        ContractError: the request cannot be written, field by field.
    """
    return encode(
        request,
        event_id=event_id(request_key(request.user_id, request.request_id), "requested"),
        time=time,
        source=source,
        topic=TOPIC_BY_PRIORITY[priority],
        traceparent=traceparent,
    )
