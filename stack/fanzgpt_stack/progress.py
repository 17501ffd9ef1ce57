"""What a person sees while servers start: a line each that moves on a terminal, plain lines in a pipe; on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from fanzgpt_stack.layout import Tell


def tell(server: str, what: str) -> None:
    """One plain line."""
    sys.stderr.write(f"{server}: {what}\n")


@contextmanager
def told() -> Iterator[Tell]:
    """A way to tell for the block; on a terminal every server keeps one line, with a spinner until it is settled."""
    if not sys.stderr.isatty():
        yield tell
        return
    from rich.console import Console  # noqa: PLC0415  # only a terminal pays for it
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415  # as above

    columns = (
        SpinnerColumn(finished_text="[green]✔"),
        TextColumn("{task.description:<9}"),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        lines, lock = {}, Lock()

        def move(server: str, what: str) -> None:
            with lock:
                if server not in lines:
                    lines[server] = progress.add_task(server, total=1, what=what)
                settled = what.startswith(("up", "stopped", "killed"))
                progress.update(lines[server], what=what, completed=1 if settled else 0)

        yield move
