"""Where every task of a process stands, for the log of one that could not end."""

import asyncio
from collections.abc import Iterator
from typing import Any


def where_tasks_stand() -> Iterator[str]:
    """Of each task the functions and lines that it stands in, the outermost first; call it on the loop."""
    for task in asyncio.all_tasks():
        frames: list[str] = []
        step: Any = task.get_coro()
        while (code := getattr(step, "cr_code", None) or getattr(step, "gi_code", None)) is not None:
            frame = getattr(step, "cr_frame", None) or getattr(step, "gi_frame", None)
            frames.append(f"{code.co_qualname}:{frame.f_lineno if frame else '?'}")
            step = getattr(step, "cr_await", None) or getattr(step, "gi_yieldfrom", None)
        yield " > ".join(frames)
