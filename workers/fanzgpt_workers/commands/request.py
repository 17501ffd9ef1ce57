"""`fanzgpt request`: publish one request, or many from a file."""

import asyncio
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.output import Format, FormatOption, say, show_json

if TYPE_CHECKING:
    from fanzgpt_producers.client import GenerationClient
    from fanzgpt_producers.handle import Handle
    from fanzgpt_producers.requesting import Priority
    from fanzgpt_producers.security import Security
    from fanzgpt_schemas.generation import GenerationCompleted, GenerationFailed
    from fanzgpt_schemas.requests import GenerationRequested

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SOURCE: Final = "fanzgpt/cli"


class Lane(Enum):
    """Which of the three request topics."""

    STANDARD = "standard"
    PRIORITY = "priority"
    BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How requests are to be sent, and what is to be done about their answers."""

    servers: str
    security: "Security"
    priority: "Priority"
    wait: bool
    seconds: float
    output: Format


@app.command()
def request(
    context: typer.Context,
    kind: Annotated[str | None, typer.Argument(metavar="TYPE", help="social-post, chat-response, ...")] = None,
    *,
    user: Annotated[str | None, typer.Option("--user", "-u", help="On whose behalf.")] = None,
    fields: Annotated[
        list[str] | None, typer.Option("--input", "-i", help="key=text, key:=json, or a whole JSON object.")
    ] = None,
    options: Annotated[
        list[str] | None, typer.Option("--option", help="Likewise: provider, model, temperature ...")
    ] = None,
    request_id: Annotated[
        str | None, typer.Option("--id", help="Your own id; the same id is the same request.")
    ] = None,
    conversation: Annotated[str | None, typer.Option(help="Requests of one conversation run one by one.")] = None,
    deadline: Annotated[float | None, typer.Option(min=0, help="Seconds after which no answer is wanted.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Requests as JSON lines with the contract's fields; - is stdin.")
    ] = None,
    lane: Annotated[Lane | None, typer.Option("--priority", help="standard; for files, batch.")] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the answer and print it.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for an answer.")] = 60.0,
    output: FormatOption = Format.TEXT,
) -> None:
    """Publish a generation request, or many from a file.

    Returns once every request is acknowledged by all in-sync replicas. A file is checked as a whole before anything is
    sent. Exit 1 when a request that was waited for ended without an answer.
    """
    settings = Invocation.of(context).settings("kafka")
    chosen = lane or (Lane.STANDARD if file is None else Lane.BATCH)
    sending = Sending(
        servers=settings.kafka.bootstrap_servers,
        security=settings.kafka_security.security(),
        priority=chosen.value,
        wait=wait,
        seconds=timeout,
        output=output,
    )
    if file is not None:
        if kind or user or fields or options or request_id or conversation or deadline is not None:
            raise typer.BadParameter("a file says all about its requests; give --file alone", param_hint="--file")
        from fanzgpt_workers.commands.request_file import send_file  # noqa: PLC0415  # only when there is a file

        if not asyncio.run(send_file(file, sending)):
            raise typer.Exit(1)
        return
    if kind is None or user is None:
        raise typer.BadParameter("name the TYPE and the --user, or a --file", param_hint="TYPE")
    given: dict[str, object] = {
        "type": kind,
        "userId": user,
        "input": pairs(fields or []),
        "options": pairs(options or []),
    }
    more = {"requestId": request_id, "conversationId": conversation, "deadline": _instant(deadline)}
    asyncio.run(_send_one(given | {name: value for name, value in more.items() if value is not None}, sending))


async def _send_one(given: dict[str, object], sending: Sending) -> None:
    import orjson  # noqa: PLC0415  # not for `--help`

    from fanzgpt_producers.client import GenerationClient  # noqa: PLC0415  # the Kafka client: as above
    from fanzgpt_producers.ids import new_request_id  # noqa: PLC0415  # as above
    from fanzgpt_producers.requests_file import parse_request  # noqa: PLC0415  # as above

    asked = parse_request(orjson.dumps(given), new_id=new_request_id)
    async with GenerationClient(
        bootstrap_servers=sending.servers, source=SOURCE, listen=sending.wait, security=sending.security
    ) as client:
        handle = await ask(client, asked, sending.priority)
        if not sending.wait:
            if sending.output is Format.JSON:
                show_json({"requestId": handle.request_id, "userId": handle.user_id})
            else:
                say(handle.request_id)
            return
        show_ending(await handle.result(sending.seconds), sending.output)


async def ask(client: "GenerationClient", asked: "GenerationRequested", priority: "Priority") -> "Handle":
    """Publish a request that was read before."""
    return await client.request(
        asked.type,
        user_id=asked.user_id,
        input=asked.input,
        request_id=asked.request_id,
        options=asked.options,
        conversation_id=asked.conversation_id,
        deadline=asked.deadline,
        on_unknown=asked.on_unknown,
        metadata=asked.metadata,
        priority=priority,
    )


def show_ending(ending: "GenerationCompleted | GenerationFailed", output: Format) -> None:
    """An ending as one JSON document, or the answer alone for a person."""
    wire = ending.wire()
    if output is Format.JSON:
        show_json(wire)
        return
    answer = wire.get("output")
    if isinstance(answer, dict) and len(answer) == 1 and isinstance(text := next(iter(answer.values())), str):
        say(text)
    elif answer is not None:
        show_json(answer)
    else:
        say(f"{wire['reason']}: {wire['detail']}")


def pairs(given: list[str]) -> dict[str, object]:
    """`key=text` and `key:=json` as an object; a text that is a JSON object stands for its own fields.

    Raises:
        typer.BadParameter: a text is neither.
    """
    import json  # noqa: PLC0415  # not for `--help`

    merged: dict[str, object] = {}
    for text in given:
        try:
            if text.lstrip().startswith("{"):
                merged.update(json.loads(text))
                continue
            name, separator, value = text.partition("=")
            if not separator or not name.strip(":"):
                raise typer.BadParameter(f"{text!r} is neither key=text nor key:=json")
            if name.endswith(":"):
                merged[name[:-1]] = json.loads(value)
            else:
                merged[name] = value
        except ValueError as error:
            raise typer.BadParameter(f"{text!r} holds no JSON: {error}") from error
    return merged


def _instant(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415  # not for `--help`

    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def warn(line: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{line}\n")
