"""Every command there is, as its own help tells it."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fanzgpt_workers.cli import _commands

_PARAGRAPH: Final = re.compile(r"(?<!\n)\n(?!\n)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command that does something: `path` as it is typed, after `fanzgpt`."""

    path: str
    told: str
    parameters: tuple[tuple[str, str], ...]


def commands() -> Iterator[Command]:
    """Every command, in the order of the help; groups are not commands."""
    for name, lazy in _commands():
        context = lazy.make_context(name, [], resilient_parsing=True)
        yield from _under(name, context.command, context)


def groups() -> frozenset[str]:
    """The commands that only hold others: `stack`, `db`."""
    return frozenset(command.path.rpartition(" ")[0] for command in commands()) - {""}


def _under(path: str, command: Any, context: Any) -> Iterator[Command]:
    # typer brings a command line library of its own, whose classes are not public: what holds commands is a group.
    for name, below in getattr(command, "commands", {}).items():
        yield from _under(f"{path} {name}", below, below.make_context(name, [], parent=context, resilient_parsing=True))
    if not hasattr(command, "commands"):
        records = (param.get_help_record(context) for param in command.params)
        yield Command(
            path=path,
            told=_PARAGRAPH.sub(" ", inspect.cleandoc(command.help or "")),
            parameters=tuple((names.strip(), " ".join(text.split())) for names, text in filter(None, records)),
        )
