"""One row from one event; pure, and strict about what PostgreSQL can hold."""

from datetime import UTC, datetime

import orjson

from fanzgpt_schemas.codec import Envelope
from fanzgpt_schemas.facts import AnalyticsEvent, PreferencesUpdated
from fanzgpt_schemas.generation import GenerationCompleted
from fanzgpt_schemas.identity import user_key
from fanzgpt_workers.decoding import event_of
from fanzgpt_workers.records import Record
from fanzgpt_workers.sink_ports import AnalyticsRow, HistoryRow, PreferencesRow


def history_row(record: Record) -> HistoryRow:
    """A completion's row; raises ContractError for a record that is no completion."""
    decoded = event_of(GenerationCompleted, record)
    event = decoded.event
    metadata = {**event.metadata.wire(), "requestId": event.request_id}
    return HistoryRow(
        event_id=decoded.envelope.event_id,
        user_key=user_key(event.user_id),
        user_id=event.user_id,
        generation_type=event.type,
        input_data=orjson.dumps(event.input).decode(),
        output_data=orjson.dumps(event.output).decode(),
        metadata=orjson.dumps(metadata).decode(),
        created_at=_time(decoded.envelope, record),
    )


def analytics_row(record: Record) -> AnalyticsRow:
    """An analytics event's row; raises ContractError for a record that is none."""
    decoded = event_of(AnalyticsEvent, record)
    event = decoded.event
    return AnalyticsRow(
        event_id=decoded.envelope.event_id,
        user_key=user_key(event.user_id),
        user_id=event.user_id,
        event_type=event.event,
        event_data=orjson.dumps(event.data).decode(),
        timestamp=_time(decoded.envelope, record),
    )


def preferences_row(record: Record) -> PreferencesRow:
    """A preference change; its version is the event's own, or else the instant it was stated."""
    decoded = event_of(PreferencesUpdated, record)
    event = decoded.event
    stated = int(_time(decoded.envelope, record).timestamp() * 1000)
    return PreferencesRow(
        event_id=decoded.envelope.event_id,
        user_key=user_key(event.user_id),
        user_id=event.user_id,
        preferences=orjson.dumps(event.preferences).decode(),
        version=stated if event.version is None else event.version,
    )


def _time(envelope: Envelope, record: Record) -> datetime:
    return envelope.time or datetime.fromtimestamp(record.timestamp_ms / 1000, tz=UTC)
