"""`fanzgpt doctor`: what is wrong here, and how to mend it."""

import asyncio
from typing import TYPE_CHECKING, Final

import typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.output import Format, FormatOption, say, show_json

if TYPE_CHECKING:
    from fanzgpt_workers.diagnosis.finding import Finding

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_MARKS: Final = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


@app.command()
def doctor(context: typer.Context, output: FormatOption = Format.TEXT) -> None:
    """Look at settings, servers, topics, schema and providers: a line each, with its mending.

    Exit 1 if any is WRONG. Changes nothing and sends no request to a provider.
    """
    findings = asyncio.run(_examine(Invocation.of(context)))
    if output is Format.JSON:
        show_json(
            [{"subject": f.subject, "verdict": f.verdict, "detail": f.detail, "remedy": f.remedy} for f in findings]
        )
    else:
        for finding in findings:
            remedy = f"  -> {finding.remedy}" if finding.remedy else ""
            say(f"{_MARKS[finding.verdict]}  {finding.subject}: {finding.detail}{remedy}")
    if any(finding.verdict == "wrong" for finding in findings):
        raise typer.Exit(1)


async def _examine(invocation: Invocation) -> "list[Finding]":
    from fanzgpt_workers.diagnosis.configured import feature_findings, settings_findings  # noqa: PLC0415  # not for help
    from fanzgpt_workers.diagnosis.servers import (  # noqa: PLC0415  # as above
        database_findings,
        kafka_findings,
        provider_findings,
        redis_findings,
    )

    invocation.silence_libraries()
    settings, findings = settings_findings(invocation.environ, invocation.embedded())
    if settings is None:
        return findings
    of_servers = await asyncio.gather(
        kafka_findings(settings), database_findings(settings), redis_findings(settings), provider_findings(settings)
    )
    return [*findings, *(finding for some in of_servers for finding in some), *feature_findings(settings)]
