"""Settlements of attempts as the arrays of one statement."""

from collections.abc import Iterable
from uuid import UUID

from fanzgpt_workers.core.attempts import AttemptEnded
from fanzgpt_workers.stores.storable import storable
from fanzgpt_workers.stores.usage_text import details_of


def strongest(ended: Iterable[AttemptEnded]) -> dict[UUID, AttemptEnded]:
    """One settlement an attempt, as if they were applied one by one: the first with a known outcome stands."""
    chosen: dict[UUID, AttemptEnded] = {}
    for one in ended:
        earlier = chosen.get(one.attempt_id)
        if earlier is None or earlier.outcome == "unknown":
            chosen[one.attempt_id] = one
    return chosen


def settlement_columns(ended: Iterable[AttemptEnded]) -> tuple[list[object], ...]:
    """The fourteen arrays of `settle.sql`, sorted by attempt, no attempt twice."""
    rows = sorted(strongest(ended).values(), key=lambda one: one.attempt_id)
    usages = [one.usage for one in rows]
    prices = [one.price for one in rows]
    return (
        [one.attempt_id for one in rows],
        [one.outcome for one in rows],
        [storable(one.response_id) for one in rows],
        [usage and usage.input for usage in usages],
        [usage and usage.output for usage in usages],
        [usage and usage.cache_read for usage in usages],
        [usage and usage.cache_write for usage in usages],
        [usage and usage.reasoning for usage in usages],
        [price and price.usd for price in prices],
        [price and price.version for price in prices],
        [storable(one.finish_reason) for one in rows],
        [one.latency_ms for one in rows],
        [storable(one.detail) for one in rows],
        [details_of(usage) for usage in usages],
    )
