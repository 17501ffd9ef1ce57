"""`fanzgpt emulator`: the provider emulator in the foreground."""

import os
from pathlib import Path
from typing import Annotated

import typer

from fanzgpt_stack.emulator.durations import seconds
from fanzgpt_workers.embedded import home

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _duration(told: str | float) -> float:
    try:
        return told if isinstance(told, float) else seconds(told)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@app.command()
def emulator(  # noqa: PLR0917  # one parameter per option
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 4010,
    bill: Annotated[
        Path | None, typer.Option(help="The bill, appended to.", show_default="emulator-bill.jsonl in the stack's home")
    ] = None,
    latency: Annotated[float, typer.Option(parser=_duration, metavar="TIME", help="Before every answer.")] = 0.0,
    latency_jitter: Annotated[
        float, typer.Option(parser=_duration, metavar="TIME", help="Up to so much more, at random.")
    ] = 0.0,
    stream_interval: Annotated[
        float, typer.Option(parser=_duration, metavar="TIME", help="Between the events of a stream.")
    ] = 0.0,
    stream_chunks: Annotated[int, typer.Option(min=1, help="Pieces that a streamed text comes in.")] = 16,
    answer_words: Annotated[int, typer.Option(min=1, help="Words of an answer that is plain text.")] = 24,
    rpm: Annotated[int | None, typer.Option(min=1, help="Requests a minute and key; over it: 429.")] = None,
    tpm: Annotated[int | None, typer.Option(min=1, help="Tokens a minute and key; over it: 429.")] = None,
    input_tpm: Annotated[int | None, typer.Option(min=1, help="Input tokens a minute and key.")] = None,
    output_tpm: Annotated[int | None, typer.Option(min=1, help="Output tokens a minute and key.")] = None,
    concurrent: Annotated[int | None, typer.Option(min=1, help="Calls at once; over it: 429.")] = None,
    script: Annotated[Path | None, typer.Option(help="Rules that say which calls go wrong: a JSON list.")] = None,
    seed: Annotated[int, typer.Option(help="Of the random latencies.")] = 0,
    batch_time: Annotated[
        float, typer.Option(parser=_duration, metavar="TIME", help="How long a batch takes, at half the price.")
    ] = 0.0,
    ready_file: Annotated[
        Path | None, typer.Option(help='Written once calls are taken: {"port": …, "pid": …}.')
    ] = None,
) -> None:
    """Stand in for OpenAI and Anthropic: their HTTP, faults on demand, and an own bill of every call.

    Set OPENAI_BASE_URL and ANTHROPIC_BASE_URL to what it prints. /emulator/bill, /emulator/script, /emulator/stats and
    /emulator/verify are its own. SIGTERM or Ctrl-C ends it.
    """
    from fanzgpt_stack.emulator.bill import BillUnwritable  # noqa: PLC0415  # only a server pays for the server
    from fanzgpt_stack.emulator.provider import Pace  # noqa: PLC0415  # as above
    from fanzgpt_stack.emulator.scripts import ScriptRefused, read_script_file  # noqa: PLC0415  # as above
    from fanzgpt_stack.emulator.server import CannotListen, Options, serve  # noqa: PLC0415  # as above

    def say(port_: int) -> None:
        typer.echo(f"OPENAI_BASE_URL=http://{host}:{port_}/v1")
        typer.echo(f"ANTHROPIC_BASE_URL=http://{host}:{port_}")

    try:
        options = Options(
            host=host,
            port=port,
            bill=bill or home(os.environ) / "emulator-bill.jsonl",
            pace=Pace(latency=latency, jitter=latency_jitter, between=stream_interval, pieces=stream_chunks),
            rpm=rpm,
            tpm=tpm,
            input_tpm=input_tpm,
            output_tpm=output_tpm,
            concurrent=concurrent,
            words=answer_words,
            seed=seed,
            batch_seconds=batch_time,
            rules=() if script is None else tuple(read_script_file(script)),
            ready_file=ready_file,
        )
        serve(options, ready=say)
    except ScriptRefused as error:
        typer.echo(f"fanzgpt: {error}", err=True)
        raise typer.Exit(2) from error
    except (CannotListen, BillUnwritable) as error:
        typer.echo(f"fanzgpt: {error}", err=True)
        raise typer.Exit(1) from error
