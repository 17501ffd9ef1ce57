"""A process that cannot end says what it waits for."""

import asyncio

from fanzgpt_workers.observability.standstills import where_tasks_stand


async def waits_for(event: asyncio.Event) -> None:
    await event.wait()


async def test_each_task_is_told_down_to_the_await_that_it_stands_in() -> None:
    task = asyncio.create_task(waits_for(asyncio.Event()))
    await asyncio.sleep(0)
    told = [line for line in where_tasks_stand() if "waits_for" in line]
    assert len(told) == 1
    outer, inner = told[0].split(" > ")
    assert outer.startswith("waits_for:")
    assert inner.startswith("Event.wait:")
    task.cancel()
