"""However a process begins to end, it does not take longer than its bound."""

import asyncio

import pytest
from tests.unit.virtually import on_virtual_time

from fanzgpt_workers.ending import run_and_tell


class Process:
    """Breaks after ten seconds, and takes as long as it likes to end."""

    def __init__(self, *, ends_after: float) -> None:
        self._ends_after = ends_after
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        try:
            async with asyncio.timeout(10):
                await self._stopping.wait()
        finally:
            self._stopping.set()
            await asyncio.sleep(self._ends_after)

    async def joined(self) -> None: ...

    async def ending(self) -> None:
        await self._stopping.wait()

    def membership(self) -> tuple[bool, str]:
        return True, ""

    def still_seconds(self) -> float:
        return 0.0

    def stop(self) -> None:
        self._stopping.set()


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("ends_after", [1, 100])
@on_virtual_time
async def test_whoever_was_told_to_stop_or_broke_leaves_when_its_time_is_over(told: bool, ends_after: float) -> None:
    loop, process = asyncio.get_running_loop(), Process(ends_after=ends_after)
    ready: list[float] = []
    late: list[float] = []
    began = loop.time()
    running = asyncio.create_task(
        run_and_tell(process, ready=lambda: ready.append(loop.time()), late=lambda: late.append(loop.time()), within=38)
    )
    await asyncio.sleep(5)
    assert ready
    if told:
        process.stop()
    await asyncio.wait([running])
    assert isinstance(running.exception(), type(None) if told else TimeoutError)
    if ends_after > 38:
        assert late == [began + (5 if told else 10) + 38]
    else:
        # Closing what it used may take the rest of the time, and no longer.
        assert not late
        await asyncio.sleep(100)
        assert late
