"""`fanzgpt stack`: real servers on this machine, up and down.

Exit codes: 0 done; 1 a server did not start or stop; 2 wrong use; 3 the stack is not up, or not all of it (`status`).
"""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanzgpt_stack.progress import told
from fanzgpt_workers.commands.output import Format, FormatOption, say, show_json, table

if TYPE_CHECKING:
    from fanzgpt_stack.servers import ServerStatus, StackServers

_NOT_UP = 3

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Kafka, PostgreSQL, Valkey and a local model on this machine.\n\n"
    "Exit codes: 0 done, 1 a server did not start or stop, 2 wrong use, 3 not up, or not all of it (`status`).",
)

Home = Annotated[Path | None, typer.Option(help="Folder of the stack's state; else FANZGPT_HOME, else .fanzgpt here.")]


def home_of(given: Path | None) -> Path:
    """The folder that holds the stack's state."""
    return given or Path(os.environ.get("FANZGPT_HOME") or ".fanzgpt")


@app.command()
def up(
    home: Home = None,
    brokers: Annotated[int | None, typer.Option(help="1 or 3; else as many as the folder has, or 1.")] = None,
    model: Annotated[bool, typer.Option(help="Start the local language model too.")] = True,
    output: FormatOption = Format.TEXT,
) -> None:
    """Start what does not run, mend what is broken, leave the rest alone; returns when every server answers."""
    from fanzgpt_stack.servers import StackServers  # noqa: PLC0415  # 100 ms that `--help` does not pay

    with told() as tell:
        endpoints = StackServers(home_of(home), brokers=brokers, with_model=model, tell=tell).up()
    if output is Format.JSON:
        show_json(dict(endpoints))
        return
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "REDIS_URL", "OPENAI_BASE_URL"):
        if name in endpoints:
            say(f"{name}={endpoints[name]}")
    say("Commands in this folder find the servers by themselves; `fanzgpt stack env` is for other programs.")


@app.command()
def down(
    home: Home = None, wipe: Annotated[bool, typer.Option("--wipe", help="Remove all data as well.")] = False
) -> None:
    """Stop every server and leave no process; the data stays unless --wipe is given."""
    from fanzgpt_stack.servers import StackServers  # noqa: PLC0415  # as above

    with told() as tell:
        stopped = StackServers(home_of(home), tell=tell).down(wipe=wipe)
    say(
        f"stopped: {', '.join(sorted(stopped)) or 'nothing, for nothing was running'}{'; data removed' if wipe else ''}"
    )


@app.command()
def status(home: Home = None, output: FormatOption = Format.TEXT) -> None:
    """How each server is; exit code 3 unless all of them answer."""
    found = _stack(home).status()
    if output is Format.JSON:
        show_json([_as_json(server) for server in found])
    elif found:
        rows = [
            (one.name, one.title, one.state, one.address, str(one.pid or "-"), _memory(one.resident_bytes))
            for one in found
        ]
        for line in table(("server", "what", "state", "address", "pid", "memory"), rows, right=("pid", "memory")):
            say(line)
    else:
        say(f"no stack was ever started in {home_of(home)}: `fanzgpt stack up` starts one")
    if not found or any(server.state != "ready" for server in found):
        raise typer.Exit(_NOT_UP)


@app.command()
def env(home: Home = None, output: FormatOption = Format.TEXT) -> None:
    """The variables that lead to the stack, for `eval "$(fanzgpt stack env)"`."""
    endpoints = _stack(home).endpoints()
    if output is Format.JSON:
        show_json(dict(endpoints))
        return
    for name, value in endpoints.items():
        say(f"export {name}={shlex.quote(value)}")


@app.command()
def logs(
    server: Annotated[
        str | None, typer.Argument(help="kafka-1, postgres, valkey or model; all of them if left out.")
    ] = None,
    home: Home = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many lines of each log.")] = 40,
) -> None:
    """The end of the servers' logs, and of those of the demonstration's processes."""
    from fanzgpt_stack.errors import last_lines  # noqa: PLC0415  # as above

    folder = home_of(home) / "logs"
    found = {log.stem: log for log in sorted(folder.glob("*.log"))}
    if server is not None and server not in found:
        raise typer.BadParameter(f"no log of {server} in {folder}; there is: {', '.join(found) or 'none'}")
    for name in found if server is None else (server,):
        say(f"{name}  {found[name]}")
        say(last_lines(found[name], lines))


def _stack(home: Path | None) -> "StackServers":
    from fanzgpt_stack.servers import StackServers  # noqa: PLC0415  # as above

    return StackServers(home_of(home))


def _as_json(server: "ServerStatus") -> dict[str, str | int | None]:
    return {
        "name": server.name,
        "title": server.title,
        "state": server.state,
        "address": server.address,
        "pid": server.pid,
        "residentBytes": server.resident_bytes,
    }


def _memory(resident: int | None) -> str:
    return "-" if resident is None else f"{resident / 1024**2:.0f} MiB"
