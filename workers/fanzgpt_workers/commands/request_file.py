"""Publishing a file of requests: checked as a whole, then sent, with a bar."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from fanzgpt_producers.bulk import publish_many
from fanzgpt_producers.client import GenerationClient
from fanzgpt_producers.errors import AnswerTimeout
from fanzgpt_producers.publisher import KafkaPublisher
from fanzgpt_producers.requests_file import RefusedLine, RequestLine, read_requests
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.commands.output import Format, progress, say, show_json
from fanzgpt_workers.commands.request import SOURCE, Sending, ask, show_ending, warn
from fanzgpt_workers.errors import ConfigurationError

_SHOWN_REFUSALS: Final = 20
_WAITED_FOR: Final = 1_000
_IN_MEMORY: Final = 16 * 1024 * 1024


async def send_file(file: Path, sending: Sending) -> bool:
    """Publish every request of the file in its order; True when all that was waited for was answered.

    Raises:
        ConfigurationError: the file cannot be read, or holds lines that are no requests; nothing was sent.
    """
    with _opened(file) as lines:
        total = _checked(lines)
        lines.seek(0)
        if sending.wait:
            return await _ask(lines, total, sending)
        with progress("published", total) as move:
            async with KafkaPublisher(sending.servers, client_id=SOURCE, security=sending.security) as publisher:
                sent = await publish_many(
                    publisher, _requests(lines), source=SOURCE, priority=sending.priority, on_progress=move
                )
    if sending.output is Format.JSON:
        show_json({"published": sent})
    else:
        say(f"{sent} requests published")
    return True


async def _ask(lines: IO[bytes], total: int, sending: Sending) -> bool:
    """Publish and show each ending as it comes; at most 1000 are waited for at a time."""
    answered = ended = 0
    room = asyncio.Semaphore(_WAITED_FOR)
    with progress("answered", total) as move:
        async with (
            GenerationClient(bootstrap_servers=sending.servers, source=SOURCE, security=sending.security) as client,
            asyncio.TaskGroup() as group,
        ):

            async def one(request: GenerationRequested) -> None:
                nonlocal answered, ended
                try:
                    handle = await ask(client, request, sending.priority)
                    ending = await handle.ending(sending.seconds)
                except AnswerTimeout as error:
                    warn(str(error))
                else:
                    show_ending(ending, sending.output)
                    answered += hasattr(ending, "output")
                finally:
                    room.release()
                ended += 1
                move(ended)

            for request in _requests(lines):
                await room.acquire()
                group.create_task(one(request))
    return answered == total


def _checked(lines: IO[bytes]) -> int:
    """How many requests there are; raises ConfigurationError naming the lines that are none."""
    total, refused = 0, list[RefusedLine]()
    for line in read_requests(lines):
        if isinstance(line, RequestLine):
            total += 1
        else:
            refused.append(line)
    if refused:
        shown = [str(line) for line in refused[:_SHOWN_REFUSALS]]
        if len(refused) > len(shown):
            shown.append(f"... and {len(refused) - len(shown)} lines more")
        raise ConfigurationError("\n  ".join(["the file holds lines that are no requests; nothing was sent:", *shown]))
    return total


def _requests(lines: IO[bytes]) -> Iterator[GenerationRequested]:
    return (line.request for line in read_requests(lines) if isinstance(line, RequestLine))


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """The file, to be read twice; stdin is kept aside for that."""
    if str(file) == "-":
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as kept:
            shutil.copyfileobj(sys.stdin.buffer, kept)
            kept.seek(0)
            yield kept
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    with opened as lines:
        yield lines
