"""How commands speak: text for people, JSON for programs, nothing else on stdout; progress on stderr."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

_BAR_WIDTH: Final = 30


class Format(Enum):
    """What `-o` offers."""

    TEXT = "text"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("-o", "--output", help="text for people, json for programs.")]


def say(line: str = "") -> None:
    """One line for people."""
    sys.stdout.write(f"{line}\n")


def show_json(value: Json) -> None:
    """One JSON document: indented on a terminal, one line in a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(value, indent=indent, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = ()) -> Iterator[str]:
    """The lines of a table without borders; columns named in `right` are set flush right."""
    cells = [list(headings), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    flush = [heading in set(right) for heading in headings]
    for row in cells:
        yield "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, flush, strict=True)
        ).rstrip()


@contextmanager
def progress(what: str, total: int) -> "Iterator[Callable[[int], None]]":
    """A bar on stderr, moved by calling it with the number done so far; silent where nobody watches."""
    watched = sys.stderr.isatty() and total > 0

    def move(done: int) -> None:
        if watched:
            filled = _BAR_WIDTH * done // total
            sys.stderr.write(f"\r{what} [{'█' * filled}{' ' * (_BAR_WIDTH - filled)}] {done}/{total}")
            sys.stderr.flush()

    move(0)
    try:
        yield move
    finally:
        if watched:
            sys.stderr.write("\n")
