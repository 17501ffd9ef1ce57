"""`fanzgpt worker`: one process of the running system, in the foreground."""

from enum import Enum
from typing import Annotated

import typer

from fanzgpt_workers.commands.invocation import Invocation

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Name(Enum):
    """The processes there are."""

    GENERATION = "generation"
    HISTORY_SINK = "history-sink"
    ANALYTICS_SINK = "analytics-sink"
    PREFERENCES_SINK = "preferences-sink"
    STREAMS = "streams"
    MONITOR = "monitor"


@app.command()
def worker(context: typer.Context, name: Annotated[Name, typer.Argument(help="Which process.")]) -> None:
    """Run one process in the foreground until SIGTERM or Ctrl-C, which drain it.

    /metrics, /health/live and /health/ready are on METRICS_PORT; the log event `ready` names the port. Start the same
    process more often to scale it: Kafka shares the partitions out.
    """
    match name:
        case Name.GENERATION:
            settings = Invocation.of(context).settings("kafka", "database", "provider")
        case Name.HISTORY_SINK | Name.ANALYTICS_SINK | Name.PREFERENCES_SINK:
            settings = Invocation.of(context).settings("kafka", "database")
        case Name.STREAMS | Name.MONITOR:
            settings = Invocation.of(context).settings("kafka")
    from fanzgpt_workers.bootstrap import run  # noqa: PLC0415  # everything a process needs: only when one starts

    raise typer.Exit(run(name.value, settings))
