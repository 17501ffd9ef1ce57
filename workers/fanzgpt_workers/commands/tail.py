"""`fanzgpt tail`: follow a topic, decoded."""

import asyncio
import json
import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fanzgpt_workers.commands.invocation import Invocation
from fanzgpt_workers.commands.output import Format, FormatOption, Json, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fanzgpt_workers.records import Record
    from fanzgpt_workers.settings import Settings
    from fanzgpt_workers.tracing.scan import LogScan

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def tail(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(help="A topic, or the end of its name: `completed`.")],
    *,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="Begin with so many records per partition.")] = 0,
    beginning: Annotated[bool, typer.Option("--from-beginning", help="Begin with the oldest records.")] = False,
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C; else stop at the end.")] = True,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many records.")] = None,
    request: Annotated[str | None, typer.Option(help="Only records that name this request id.")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Follow a topic: one line per record, as text or as a JSON object. Moves nobody's offsets."""
    settings = Invocation.of(context).settings("kafka")
    back = sys.maxsize if beginning else last
    asyncio.run(_tail(settings, topic, back=back, follow=follow, count=count, request=request, output=output))


async def _tail(
    settings: "Settings", name: str, *, back: int, follow: bool, count: int | None, request: str | None, output: Format
) -> None:
    from fanzgpt_workers.tracing.matching import names_request  # noqa: PLC0415  # not for `--help`
    from fanzgpt_workers.tracing.scan import open_scan  # noqa: PLC0415  # the Kafka client: not for `--help`

    shown = 0
    async with open_scan(settings.kafka.bootstrap_servers, security=settings.kafka_security.security()) as scan:
        async for record in _records(scan, _topic(name), back=back, follow=follow):
            if request is not None and not names_request(record, request):
                continue
            _show(record, output)
            shown += 1
            if shown == count:
                return


async def _records(scan: "LogScan", topic: str, *, back: int, follow: bool) -> "AsyncIterator[Record]":
    from fanzgpt_workers.errors import ConfigurationError  # noqa: PLC0415  # not for `--help`

    partitions = await scan.partitions(topic)
    if not partitions:
        raise ConfigurationError(f"there is no topic {topic}; `fanzgpt topics export` lists those there are")
    stretches = await scan.latest(partitions, back)
    if follow:
        async for record in scan.follow({stretch.partition: stretch.start for stretch in stretches}):
            yield record
    else:
        async for record in scan.read(stretches):
            yield record


def _topic(name: str) -> str:
    """The contract's topic whose name ends so, where exactly one does; else the name as it is."""
    from fanzgpt_schemas.events import TOPIC_NAMES  # noqa: PLC0415  # pydantic: not for `--help`

    for ending in (f".{name}", f"-{name}"):
        meant = [topic for topic in TOPIC_NAMES if topic.endswith(ending)]
        if len(meant) == 1:
            return meant[0]
    return name


def _show(record: "Record", output: Format) -> None:
    origin = record.origin
    at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
    if output is Format.JSON:
        document: dict[str, Json] = {
            "topic": origin.topic,
            "partition": origin.partition,
            "offset": origin.offset,
            "time": at,
            "key": _text(record.key),
            "headers": {name: _text(value) for name, value in record.headers},
            "value": _value(record.value),
        }
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        key = json.dumps(_text(record.key), ensure_ascii=False)
        line = f"{at} {origin.partition}/{origin.offset} {key} {json.dumps(_value(record.value), ensure_ascii=False)}"
        say(_fitting(line))
    sys.stdout.flush()


def _fitting(line: str) -> str:
    """The line within the terminal, without what could steer it; whole in a pipe."""
    if not sys.stdout.isatty():
        return line
    line = "".join(sign if sign.isprintable() else "�" for sign in line)
    width = shutil.get_terminal_size().columns
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _value(value: bytes | None) -> Json:
    if value is None:
        return None
    try:
        decoded: Json = json.loads(value)
    except ValueError:
        return _text(value)
    return decoded


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")
