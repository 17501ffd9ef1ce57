"""`fanzgpt stack`: real servers for a laptop, up and down.

Exit codes: 0 done; 1 a server did not start; 2 wrong use; 3 the stack is not up.
"""

import json
import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

Home = Annotated[Path | None, typer.Option(help="Folder of the stack's state; FANZGPT_HOME, else .fanzgpt here.")]
Json = Annotated[str, typer.Option("-o", "--output", help="text or json.")]


def home_of(given: Path | None) -> Path:
    """The folder that holds the stack's state."""
    return given or Path(os.environ.get("FANZGPT_HOME") or ".fanzgpt")


def tell(server: str, what: str) -> None:
    """One line of progress, on standard error, so that a pipe stays clean."""
    typer.echo(f"  {server}: {what}", err=True)


@app.command()
def up(
    home: Home = None,
    brokers: Annotated[int | None, typer.Option(help="1 or 3; what the folder has, else 1.")] = None,
    model: Annotated[bool, typer.Option(help="Start the local language model too.")] = True,
) -> None:
    """Start Kafka, PostgreSQL, Valkey and the local model; what runs already is left alone."""
    from fanzgpt_stack.servers import StackServers  # noqa: PLC0415  # only when a stack is started

    endpoints = StackServers(home_of(home), brokers=brokers, with_model=model, tell=tell).up()
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "REDIS_URL", "OPENAI_BASE_URL"):
        if name in endpoints:
            typer.echo(f"{name}={endpoints[name]}")


@app.command()
def down(
    home: Home = None, wipe: Annotated[bool, typer.Option("--wipe", help="Remove the data as well.")] = False
) -> None:
    """Stop every server; the data stays unless --wipe is given."""
    from fanzgpt_stack.servers import StackServers  # noqa: PLC0415  # as above

    stopped = StackServers(home_of(home)).down(wipe=wipe)
    typer.echo(f"stopped: {', '.join(stopped) or 'nothing was running'}")


@app.command()
def status(home: Home = None, output: Json = "text") -> None:
    """How each server is."""
    from fanzgpt_stack.servers import StackServers  # noqa: PLC0415  # as above

    found = StackServers(home_of(home)).status()
    if output == "json":
        rows = [{"name": s.name, "state": s.state, "address": s.address, "pid": s.pid} for s in found]
        typer.echo(json.dumps(rows))
        return
    for server in found:
        typer.echo(f"{server.name:<12} {server.state:<9} {server.address:<22} pid {server.pid or '-'}")


@app.command()
def env(home: Home = None, output: Json = "text") -> None:
    """The variables that lead to the stack, to export."""
    from fanzgpt_stack.servers import StackServers  # noqa: PLC0415  # as above

    endpoints = StackServers(home_of(home)).endpoints()
    if output == "json":
        typer.echo(json.dumps(dict(endpoints)))
        return
    for name, value in endpoints.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def logs(server: Annotated[str, typer.Argument(help="kafka-1, postgres, valkey or model.")], home: Home = None) -> None:
    """The end of one server's log."""
    from fanzgpt_stack.errors import last_lines  # noqa: PLC0415  # as above
    from fanzgpt_stack.servers import StackServers  # noqa: PLC0415  # as above

    typer.echo(last_lines(StackServers(home_of(home)).log(server), 60))
