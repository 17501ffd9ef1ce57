"""A record read as the event that its topic is for."""

from typing import TypeVar

from fanzgpt_schemas.base import Model
from fanzgpt_schemas.codec import Decoded, decode_event
from fanzgpt_workers.records import Record

M = TypeVar("M", bound=Model)


def event_of(model: type[M], record: Record) -> Decoded[M]:
    """The event of this class; raises ContractError for a record that holds none, each wrong field with its reason."""
    origin = record.origin
    return decode_event(
        model,
        record.value,
        record.headers,
        topic=origin.topic,
        partition=origin.partition,
        offset=origin.offset,
    )
