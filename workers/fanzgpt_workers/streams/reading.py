"""What an analytics event tells of usage."""

from math import isfinite
from typing import Final

from pydantic import JsonValue

from fanzgpt_schemas.base import LARGEST_INTEGER, JsonObject
from fanzgpt_schemas.facts import AnalyticsEvent
from fanzgpt_workers.core.usage.tally import pico_dollars
from fanzgpt_workers.core.usage.windows import Usage
from fanzgpt_workers.decoding import event_of
from fanzgpt_workers.records import Record

ENDINGS: Final = frozenset({"generation-completed", "generation-failed"})
MOST_DOLLARS: Final = 1_000_000
LONGEST_NAME: Final = 200


def usage_of(record: Record, *, ahead_ms: int) -> Usage | None:
    """The usage that a record of `ai.analytics.event` tells of; None for what is no ending of a generation.

    Its time is the event's own, or the record's where it has none or runs ahead of the record's by more than
    `ahead_ms`: one clock that is wrong must not close everybody's windows. A figure that is missing, or none that
    could be true, counts as not known.

    Raises:
        ContractError: the record holds no such event.
    """
    decoded = event_of(AnalyticsEvent, record)
    event = decoded.event
    if event.event not in ENDINGS:
        return None
    data = event.data
    tokens = data.get("tokens")
    counted: JsonObject = tokens if isinstance(tokens, dict) else {}
    time = decoded.envelope.time
    at_ms = record.timestamp_ms if time is None else int(time.timestamp() * 1000)
    provider = _name(data.get("provider"))
    return Usage(
        event_id=decoded.envelope.event_id.bytes,
        at_ms=at_ms if 0 <= at_ms <= record.timestamp_ms + ahead_ms else max(0, record.timestamp_ms),
        user=event.user_id,
        type=_name(data.get("type")) or "unknown",
        provider=provider,
        model=_name(data.get("model")),
        failed=event.event == "generation-failed",
        cached=data.get("cached") is True,
        input_tokens=_count(counted.get("input")) or 0,
        output_tokens=_count(counted.get("output")) or 0,
        cost_pico=_cost(data.get("costUsd")),
        latency_ms=_count(data.get("latencyMs")),
    )


def _name(given: JsonValue) -> str | None:
    return given if isinstance(given, str) and 0 < len(given) <= LONGEST_NAME else None


def _count(given: JsonValue) -> int | None:
    whole = isinstance(given, int) and not isinstance(given, bool)
    return given if whole and 0 <= given <= LARGEST_INTEGER else None  # type: ignore[operator,return-value]  # an int


def _cost(given: JsonValue) -> int:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return 0
    return pico_dollars(float(given)) if isfinite(given) and 0 <= given <= MOST_DOLLARS else 0
