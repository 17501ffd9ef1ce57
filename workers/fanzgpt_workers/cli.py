"""`fanzgpt`, the one command for everything a person does.

Exit codes: 0 done; 1 it failed; 2 a wrong command line, setting or file (for `topics plan`: there is something to
apply); 3 a server is away, try again; 130 interrupted. Errors are told on stderr, in words, never as a traceback.

Other distributions add commands by the entry point group `fanzgpt.commands`: a name and the `typer.Typer` behind it.
Nothing is imported before its command is called.
"""

import os
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from typer import Typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.lazy import LazyCommand, LazyGroup

DONE: Final = 0
FAILED: Final = 1
MISUSED: Final = 2
UNAVAILABLE: Final = 3

ENTRY_POINT_GROUP: Final = "fanzgpt.commands"

_HELP: Final = """AI generation for the FANZ ecosystem: requests in on Kafka, answers and facts out, rows in PostgreSQL.

Start with `fanzgpt stack up`, then `fanzgpt doctor`.

Exit codes: 0 done, 1 failed, 2 wrong command line or setting (for `topics plan`: something to apply), 3 a server is
away, 130 interrupted."""

_SUMMARIES: Final = {
    "demo": "The whole system once: a request of each type, its answer and its rows.",
    "stack": "Kafka, PostgreSQL, Valkey and a local model on this machine.",
    "db": "Bring the database to this release's schema, or say how far it is.",
    "topics": "Compare topics.yaml with the broker, and make the broker follow.",
    "worker": "Run one process in the foreground; SIGTERM drains it.",
    "gateway": "Run the HTTP front door.",
    "request": "Publish a generation request, or many from a file.",
    "tail": "Follow a topic, decoded.",
    "trace": "Tell one request's way through topics, provider calls and rows.",
    "lag": "How far each consumer group is behind, in records and in seconds.",
    "dlq": "Records that could not be used: look, mend, send again, set aside.",
    "ledger": "Requests, provider calls and what they cost.",
    "emulator": "A provider to test against, which keeps its own bill.",
    "doctor": "What is wrong here, and how to mend it.",
}
_OWN: Final = frozenset({"db", "topics", "worker", "request", "tail", "trace", "lag", "dlq", "ledger", "doctor"})


def main() -> None:
    """Run the command line of this process, and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit code."""
    group = LazyGroup(
        name="fanzgpt", help=_HELP, commands=dict(_commands()), no_args_is_help=True, rich_markup_mode=None
    )
    try:
        group.main(args=arguments, prog_name="fanzgpt", obj=Invocation(environ=os.environ))
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else FAILED
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        sys.stderr.write(f"fanzgpt: {error}\n")
        return code
    return DONE


def _commands() -> Iterator[tuple[str, LazyCommand]]:
    mounted = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    for name, summary in _SUMMARIES.items():
        if name in _OWN:
            yield name, LazyCommand(name=name, summary=summary, load=partial(_own, name))
        elif name in mounted:
            yield name, LazyCommand(name=name, summary=summary, load=partial(_mounted, mounted[name]))
    for name in sorted(mounted.keys() - _SUMMARIES.keys()):
        yield (
            name,
            LazyCommand(name=name, summary=f"From {mounted[name].module}.", load=partial(_mounted, mounted[name])),
        )


def _own(name: str) -> Typer:
    app = import_module(f"fanzgpt_workers.commands.{name}").app
    assert isinstance(app, Typer)  # noqa: S101  # a command module that offers none is our own mistake
    return app


def _mounted(entry: EntryPoint) -> Typer:
    app = entry.load()
    if not isinstance(app, Typer):
        raise TypeError(f"{entry.value} (entry point {entry.name} of {ENTRY_POINT_GROUP}) is not a typer.Typer")
    return app


def _exit_code(error: Exception) -> int | None:
    """The exit code of an error of ours; None for a bug, which deserves its traceback."""
    from fanzgpt_producers.errors import BrokerUnavailable, ProducerError  # noqa: PLC0415  # only a failure pays
    from fanzgpt_schemas.errors import ContractError  # noqa: PLC0415  # as above
    from fanzgpt_workers.errors import ConfigurationError, FanzError, Unavailable  # noqa: PLC0415  # as above

    match error:
        case ConfigurationError() | ContractError():
            return MISUSED
        case Unavailable() | BrokerUnavailable():
            return UNAVAILABLE
        case FanzError() | ProducerError():
            return FAILED
        case _:
            return None
