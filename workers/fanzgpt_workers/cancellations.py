"""Hearing of cancellations: every generation worker reads the whole topic, outside every group.

A request may be with any worker, or still in the log: each hears every wish, and the one that meets the request acts.
At its start a worker reads the last hour before it takes a request, for those that were cancelled while they waited.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from fanzgpt_producers.security import Security
from fanzgpt_schemas.errors import ContractError
from fanzgpt_schemas.events import CANCEL_TOPIC
from fanzgpt_schemas.generation import CancelRequested
from fanzgpt_schemas.identity import request_key
from fanzgpt_workers.decoding import event_of
from fanzgpt_workers.errors import Unavailable
from fanzgpt_workers.lifecycle.cancelling import REMEMBERED, Wishes
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.records import Record
from fanzgpt_workers.tracing.scan import open_scan

PAUSE_SECONDS: Final = 2.0
MARGIN: Final = timedelta(seconds=30)
"""Clocks differ: read again from a little before what was read last."""


async def hear_cancellations(
    wishes: Wishes,
    *,
    bootstrap_servers: str,
    security: Security | None,
    clock: Clock,
    away: Callable[[Exception], None],
    refused: Callable[[Record, ContractError], None],
    caught_up: asyncio.Event,
) -> None:
    """Add every wish to `wishes`, until cancelled. `caught_up` is set once those are read that were there before.

    While Kafka is away wishes are heard late, and none is missed: reading goes on a little before where it ended.
    """
    since = clock.now() - REMEMBERED
    while True:
        try:
            async with open_scan(bootstrap_servers, security=security) as scan:
                partitions = await scan.partitions(CANCEL_TOPIC)
                ends = {stretch.partition: stretch.end for stretch in await scan.latest(partitions, records=0)}
                async for record in scan.read(await scan.since(partitions, since)):
                    _hear(record, wishes, clock, refused)
                caught_up.set()
                async for record in scan.follow(ends):
                    since = clock.now() - MARGIN
                    _hear(record, wishes, clock, refused)
        except Unavailable as error:
            away(error)
        await asyncio.sleep(PAUSE_SECONDS)


def _hear(record: Record, wishes: Wishes, clock: Clock, refused: Callable[[Record, ContractError], None]) -> None:
    try:
        decoded = event_of(CancelRequested, record)
    except ContractError as error:
        refused(record, error)
        return
    wishes.add(request_key(decoded.event.user_id, decoded.event.request_id), clock.now())
