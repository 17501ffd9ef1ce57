"""The two ways in which a request ends, as they are read from their topics."""

from typing import TypeVar

from aiokafka import ConsumerRecord

from fanzgpt_schemas.base import Model
from fanzgpt_schemas.codec import Decoded, decode_event
from fanzgpt_schemas.events import FAILED_TOPIC
from fanzgpt_schemas.generation import GenerationCompleted, GenerationFailed

Ending = GenerationCompleted | GenerationFailed
M = TypeVar("M", bound=Model)


def decode_ending(record: ConsumerRecord) -> Decoded[GenerationCompleted] | Decoded[GenerationFailed]:
    """The ending that a record of either topic holds; raises ContractError where it holds none."""
    if record.topic == FAILED_TOPIC:
        return decode_record(record, GenerationFailed)
    return decode_record(record, GenerationCompleted)


def decode_record(record: ConsumerRecord, model: type[M]) -> Decoded[M]:
    """The event of the class `model` that a record holds; raises ContractError where it holds none."""
    return decode_event(
        model,
        record.value,
        record.headers,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
    )
