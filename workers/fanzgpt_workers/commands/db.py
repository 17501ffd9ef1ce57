"""`fanzgpt db`: the schema of the database."""

from typing import Annotated

import typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.output import Format, FormatOption, say, show_json

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Bring the database to this release's schema, or say how far it is.",
)


@app.command()
def migrate(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Apply every schema step that is missing, in one transaction; safe to run again and from many places."""
    settings = Invocation.of(context).settings("database")
    from fanzgpt_workers.stores.migrate import migrate as apply  # noqa: PLC0415  # alembic: only when asked for

    applied = apply(settings.database.url.get_secret_value())
    if output is Format.JSON:
        show_json({"applied": applied})
        return
    for step in applied:
        say(f"applied {step}")
    say(
        "the database has this release's schema" if applied else "nothing to do: the database has this release's schema"
    )


@app.command()
def status(
    context: typer.Context,
    output: FormatOption = Format.TEXT,
    check: Annotated[bool, typer.Option(help="Exit with 1 while steps are pending.")] = False,
) -> None:
    """Say which schema step the database stands at, and which are pending."""
    settings = Invocation.of(context).settings("database")
    from fanzgpt_workers.stores.migrate import status as read  # noqa: PLC0415  # alembic: only when asked for

    found = read(settings.database.url.get_secret_value())
    if output is Format.JSON:
        show_json({"current": found.current, "pending": list(found.pending)})
    else:
        say(f"stands at: {found.current or 'nothing yet'}")
        for step in found.pending:
            say(f"pending:   {step}  (apply with `fanzgpt db migrate`)")
    if check and found.pending:
        raise typer.Exit(1)
