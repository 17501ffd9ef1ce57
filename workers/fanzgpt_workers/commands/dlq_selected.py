"""Which dead letters a command is about, and what it does with them."""

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from fanzgpt_schemas.errors import ContractError
from fanzgpt_schemas.events import DEAD_LETTER_TOPIC
from fanzgpt_workers.commands.output import progress
from fanzgpt_workers.core.origin import Origin
from fanzgpt_workers.crash_points import crash_points
from fanzgpt_workers.dead_letters.letter import Letter
from fanzgpt_workers.dead_letters.reading import DeadLetterLog, Selection
from fanzgpt_workers.dead_letters.redriving import NotRedriven, open_redriver
from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.settings import Settings
from fanzgpt_workers.stores.database import open_database
from fanzgpt_workers.stores.dead_letter_resolutions import DeadLetterResolutions, Resolution
from fanzgpt_workers.tracing.scan import open_scan

_NAME: Final = re.compile(r"(\d{1,9})/(\d{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A letter, and what was done with it. Of a letter that was not named, the value is left out of memory."""

    letter: Letter
    resolution: Resolution | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The letters by name that it was done with, and why it was not with the others."""

    done: Sequence[str]
    refused: Sequence[str]


async def chosen(settings: Settings, names: Sequence[str], selection: Selection, *, resolved: bool) -> list[Chosen]:
    """The letters of those names, whatever was done with them; without names, those that the selection means.

    Raises:
        ConfigurationError: a name is none, or there is no such letter.
    """
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(_log(settings))
        resolutions = await stack.enter_async_context(_resolutions(settings))
        known = {} if resolutions is None else await resolutions.all()
        if names:
            return [
                Chosen(letter=letter, resolution=known.get(letter.letter_id)) for letter in await _named(log, names)
            ]
        return [
            Chosen(letter=replace(letter, value=None), resolution=known.get(letter.letter_id))
            async for letter in log.letters(selection)
            if resolved or letter.letter_id not in known
        ]


async def redriven(settings: Settings, found: Sequence[Chosen], *, value: bytes | None) -> Outcome:
    """Send the records again, one after another; a letter counts as redriven once it is acknowledged."""
    servers, security = settings.kafka.bootstrap_servers, settings.kafka_security.security()
    points = crash_points(settings.process.crash_at)
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(_log(settings))
        resolutions = await stack.enter_async_context(_resolutions(settings))
        redriver = await stack.enter_async_context(open_redriver(servers, security=security))

        async def send(letter: Letter) -> None:
            await redriver.redrive(letter, value=value)
            points.redriven()
            if resolutions is not None:
                await resolutions.record(letter.letter_id, "redriven")

        return await _each("redriven", len(found), log.at([one.letter.place for one in found]), send)


async def discarded(settings: Settings, found: Sequence[Chosen], *, note: str | None) -> Outcome:
    """Remember that nobody wants the letters."""
    async with _resolutions(settings) as resolutions:
        assert resolutions is not None, "the command asks for a database"  # noqa: S101

        async def forget(letter: Letter) -> None:
            await resolutions.record(letter.letter_id, "discarded", note=note)

        return await _each("discarded", len(found), _one_by_one(found), forget)


async def _each(
    what: str, total: int, letters: AsyncIterator[Letter], do: Callable[[Letter], Awaitable[None]]
) -> Outcome:
    done: list[str] = []
    refused: list[str] = []
    with progress(what, total) as move:
        async for letter in letters:
            try:
                await do(letter)
            except NotRedriven as error:
                refused.append(str(error))
            else:
                done.append(letter.name)
            move(len(done) + len(refused))
    return Outcome(done=done, refused=refused)


async def _one_by_one(found: Sequence[Chosen]) -> AsyncIterator[Letter]:
    for one in found:
        yield one.letter


async def _named(log: DeadLetterLog, names: Sequence[str]) -> list[Letter]:
    places: dict[str, Origin] = {}
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None:
            raise ConfigurationError(f"{name!r} names no dead letter; `fanzgpt dlq ls` names them: partition/offset")
        places[f"{int(match[1])}/{int(match[2])}"] = Origin(DEAD_LETTER_TOPIC, int(match[1]), int(match[2]))
    letters = [letter async for letter in log.at(places.values())]
    missing = sorted(places.keys() - {letter.name for letter in letters})
    if missing:
        told = ", ".join(missing)
        raise ConfigurationError(
            f"there is no dead letter {told}, or no longer; `fanzgpt dlq ls` lists those there are"
        )
    return letters


@asynccontextmanager
async def _log(settings: Settings) -> AsyncIterator[DeadLetterLog]:
    def strange(place: Origin, error: ContractError) -> None:
        sys.stderr.write(f"fanzgpt: {place} is no dead letter: {error}\n")

    async with open_scan(settings.kafka.bootstrap_servers, security=settings.kafka_security.security()) as scan:
        yield DeadLetterLog(scan, strange=strange)


@asynccontextmanager
async def _resolutions(settings: Settings) -> AsyncIterator[DeadLetterResolutions | None]:
    """Where it is remembered what was done; None, said once on stderr, without a database."""
    url = settings.database.url.get_secret_value()
    if not url:
        sys.stderr.write("fanzgpt: without DATABASE_URL it is not known, nor kept, what was done with a letter\n")
        yield None
        return
    async with await open_database(url, size=1, application="fanzgpt-dlq") as database:
        yield DeadLetterResolutions(database)
