"""`fanzgpt gateway`: the HTTP front door, in the foreground. Exit codes: 0 drained, 2 a setting is wrong."""

import os
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)

MISUSED = 2


class EmbeddedServers(Protocol):
    """The embedded stack that is up."""

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Variables and their values."""
        ...


@runtime_checkable
class Surroundings(Protocol):
    """What the command line knows and hands to every command, whichever distribution it comes from."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment."""
        ...

    def embedded(self) -> EmbeddedServers | None:
        """The embedded stack, if one is up."""
        ...


@app.command()
def gateway(context: typer.Context) -> None:
    """Serve the HTTP API on PORT (3100) until SIGTERM or Ctrl-C, which let waiting calls end.

    FANZ_GPT_API_KEY or JWT_SECRET says who may call. /metrics, /health/live and /health/ready are on METRICS_PORT.
    """
    from fanzgpt_gateway.configuring import Misconfigured, load_settings  # noqa: PLC0415  # not for `--help`

    given = context.obj
    environ, stack = (given.environ, given.embedded()) if isinstance(given, Surroundings) else (os.environ, None)
    try:
        settings = load_settings(environ, embedded=None if stack is None else stack.endpoints)
        from fanzgpt_gateway.process import run  # noqa: PLC0415  # as above

        run(settings)
    except Misconfigured as wrong:
        typer.echo(f"fanzgpt: {wrong}", err=True)
        raise typer.Exit(MISUSED) from wrong
