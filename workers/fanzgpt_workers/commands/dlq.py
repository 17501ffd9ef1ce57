"""`fanzgpt dlq`: records that could not be used; look, mend, send again, set aside."""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.output import Format, FormatOption, say, show_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanzgpt_workers.commands.dlq_selected import Chosen, Outcome
    from fanzgpt_workers.dead_letters.reading import Selection

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Records that could not be used: look, mend, send again, set aside.",
)

LettersArgument = Annotated[
    list[str] | None, typer.Argument(metavar="LETTER...", help="As `ls` names them: partition/offset.")
]
ReasonOption = Annotated[str | None, typer.Option(help="invalid, unstorable, internal-error.")]
TopicOption = Annotated[str | None, typer.Option(help="The topic that the record came from.")]
ConsumerOption = Annotated[str | None, typer.Option(help="The group that could not use it.")]
RequestOption = Annotated[str | None, typer.Option(help="Only records about this request id.")]
SinceOption = Annotated[datetime | None, typer.Option(help="Set aside from this time on (UTC).")]
UntilOption = Annotated[datetime | None, typer.Option(help="Set aside before this time (UTC).")]
_LONGEST_ERROR: Final = 70


@app.command()
def ls(
    context: typer.Context,
    *,
    reason: ReasonOption = None,
    topic: TopicOption = None,
    consumer: ConsumerOption = None,
    request: RequestOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    every: Annotated[bool, typer.Option("--all", help="Those that were redriven or discarded too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 100,
    output: FormatOption = Format.TEXT,
) -> None:
    """List dead letters that nothing was done with yet, oldest first."""
    from fanzgpt_workers.commands.dlq_selected import chosen  # noqa: PLC0415  # the Kafka client: not for `--help`
    from fanzgpt_workers.commands.dlq_shown import document, row  # noqa: PLC0415  # as above

    selection = _selection(reason=reason, topic=topic, consumer=consumer, request=request, since=since, until=until)
    settings = Invocation.of(context).settings("kafka")
    found = sorted(asyncio.run(chosen(settings, (), selection, resolved=every)), key=lambda one: one.letter.time)
    shown = found[-limit:]
    if output is Format.JSON:
        show_json([document(one) for one in shown])
        return
    if not shown:
        say("no dead letters" if every else "no dead letters that nothing was done with")
        return
    headings = ("LETTER", "SET ASIDE (UTC)", "REASON", "FROM", "CONSUMER", "REQUEST", "STATE", "ERROR")
    longest = _LONGEST_ERROR if sys.stdout.isatty() else sys.maxsize
    for line in table(headings, [row(one, longest_error=longest) for one in shown]):
        say(line)
    if len(found) > limit:
        say(f"and {len(found) - limit} older; --limit {len(found)} shows them")


@app.command()
def show(
    context: typer.Context,
    letter: Annotated[str, typer.Argument(help="As `ls` names it: partition/offset.")],
    *,
    raw: Annotated[bool, typer.Option("--raw", help="The record's own bytes and nothing else, for a pipe.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Show one dead letter: where the record stood, why it is here, its key, headers and value in full."""
    from fanzgpt_workers.commands.dlq_selected import chosen  # noqa: PLC0415  # the Kafka client: not for `--help`
    from fanzgpt_workers.commands.dlq_shown import document, lines  # noqa: PLC0415  # as above
    from fanzgpt_workers.dead_letters.reading import Selection  # noqa: PLC0415  # as above

    settings = Invocation.of(context).settings("kafka")
    [one] = asyncio.run(chosen(settings, (letter,), Selection(), resolved=True))
    if raw:
        sys.stdout.buffer.write(one.letter.value or b"")
        sys.stdout.buffer.flush()
    elif output is Format.JSON:
        show_json(document(one, in_full=True))
    else:
        for line in lines(one):
            say(line)


@app.command()
def redrive(
    context: typer.Context,
    letters: LettersArgument = None,
    *,
    reason: ReasonOption = None,
    topic: TopicOption = None,
    consumer: ConsumerOption = None,
    request: RequestOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    value: Annotated[Path | None, typer.Option("--value", help="A file with the mended value, for one LETTER.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this nothing is sent.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Send records again, to the topic they came from, with their key, headers and bytes and under their own name.

    Without LETTER, all that the options select and that nothing was done with yet. However often a record is sent, it
    counts once. Exit 1 when a letter could not be sent.
    """
    from fanzgpt_workers.commands.dlq_selected import chosen, redriven  # noqa: PLC0415  # not for `--help`

    if value is not None and len(letters or ()) != 1:
        raise typer.BadParameter("mends one record: name its LETTER", param_hint="--value")
    mended = None if value is None else _read(value)
    selection = _selection(reason=reason, topic=topic, consumer=consumer, request=request, since=since, until=until)
    settings = Invocation.of(context).settings("kafka")
    found = asyncio.run(chosen(settings, tuple(letters or ()), selection, resolved=False))
    if not yes:
        _would("send again", found, output)
        return
    _tell("redriven", asyncio.run(redriven(settings, found, value=mended)), output)


@app.command()
def discard(
    context: typer.Context,
    letters: LettersArgument = None,
    *,
    reason: ReasonOption = None,
    topic: TopicOption = None,
    consumer: ConsumerOption = None,
    request: RequestOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    note: Annotated[str | None, typer.Option(help="Why, for whoever asks later.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this nothing is discarded.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Set dead letters aside for good: `ls` no longer lists them. Their records stay on the topic until it forgets."""
    from fanzgpt_workers.commands.dlq_selected import chosen, discarded  # noqa: PLC0415  # not for `--help`

    selection = _selection(reason=reason, topic=topic, consumer=consumer, request=request, since=since, until=until)
    settings = Invocation.of(context).settings("kafka", "database")
    found = asyncio.run(chosen(settings, tuple(letters or ()), selection, resolved=False))
    if not yes:
        _would("discard", found, output)
        return
    _tell("discarded", asyncio.run(discarded(settings, found, note=note)), output)


def _selection(
    *,
    reason: str | None,
    topic: str | None,
    consumer: str | None,
    request: str | None,
    since: datetime | None,
    until: datetime | None,
) -> "Selection":
    from fanzgpt_workers.commands.ledger import utc  # noqa: PLC0415  # not for `--help`
    from fanzgpt_workers.dead_letters.reading import Selection  # noqa: PLC0415  # as above

    return Selection(
        reason=reason, topic=topic, consumer=consumer, request_id=request, since=utc(since), until=utc(until)
    )


def _would(do: str, found: "list[Chosen]", output: Format) -> None:
    from fanzgpt_workers.commands.dlq_shown import document  # noqa: PLC0415  # not for `--help`

    if output is Format.JSON:
        show_json({"done": False, "letters": [document(one) for one in found]})
        return
    for one in found:
        say(f"would {do} {one.letter.name}: {one.letter.origin} ({one.letter.reason})")
    say(f"{_counted(found)}; --yes does it" if found else "no letters are meant; nothing to do")


def _tell(done: str, outcome: "Outcome", output: Format) -> None:
    if output is Format.JSON:
        show_json({"done": True, done: list(outcome.done), "refused": list(outcome.refused)})
    else:
        say(f"{_counted(outcome.done)} {done}")
    if outcome.refused:
        for refusal in outcome.refused if output is Format.TEXT else ():
            sys.stderr.write(f"fanzgpt: {refusal}\n")
        raise typer.Exit(1)


def _counted(letters: "Sequence[object]") -> str:
    return "1 letter" if len(letters) == 1 else f"{len(letters)} letters"


def _read(file: Path) -> bytes:
    from fanzgpt_workers.errors import ConfigurationError  # noqa: PLC0415  # not for `--help`

    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
