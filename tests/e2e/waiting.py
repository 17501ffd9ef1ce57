"""Waiting for other processes without holding up this one's loop."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

SLACK_SECONDS = 5.0  # what a loaded machine may add to a bound


async def reached(seconds: float, condition: Callable[[], bool]) -> None:
    """Return once the condition holds; fails when the time is up."""
    end = monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert monotonic() < end, "not reached in time"
        await asyncio.sleep(0.02)


async def drained(process: "subprocess.Popen[bytes]", *, within: float) -> None:
    """SIGTERM, and exit code 0 within the bound."""
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, within + SLACK_SECONDS) == 0


@asynccontextmanager
async def beside(block: AbstractContextManager[T]) -> AsyncIterator[T]:
    """The block, entered and left in a thread: what runs on this loop goes on meanwhile."""
    entered = await asyncio.to_thread(block.__enter__)
    try:
        yield entered
    finally:
        await asyncio.to_thread(block.__exit__, None, None, None)
