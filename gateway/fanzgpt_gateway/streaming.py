"""Calls that watch their answer being made, until its ending or until they leave."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from fanzgpt_gateway.asking import Asking, Call, Question, Watching, location_of
from fanzgpt_gateway.cancelling import Cancelling
from fanzgpt_gateway.ledger import KnownRequest, LedgerReader, LedgerUnavailable
from fanzgpt_gateway.outcomes import refusal_of
from fanzgpt_gateway.partials import PartialReader
from fanzgpt_gateway.refusals import Refusal
from fanzgpt_gateway.web.answers import answer_body
from fanzgpt_gateway.web.event_stream import HEARTBEAT, HEARTBEAT_SECONDS, EventStream, Shown, event
from fanzgpt_schemas.generation import GenerationCompleted, GenerationFailed
from fanzgpt_schemas.identity import request_key

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
Ending = GenerationCompleted | GenerationFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """An answer that somebody watches, and where they are told to look should they have to leave it."""

    request_id: str
    user_id: str
    watching: Watching
    location: str

    @property
    def key(self) -> UUID:
        return request_key(self.user_id, self.request_id)


class Streaming:
    """Shows answers while they are made. Holds nothing of them: any replica resumes what another one began."""

    def __init__(
        self, *, asking: Asking, partials: PartialReader, ledger: LedgerReader, cancelling: Cancelling, seconds: float
    ) -> None:
        """Nobody watches for longer than `seconds`: by then the request has expired."""
        self._asking = asking
        self._partials = partials
        self._ledger = ledger
        self._cancelling = cancelling
        self._seconds = seconds
        self._calling_off: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question, call: Call, watching: Watching) -> EventStream:
        """Ask, and show the answer as it comes; raises what `Asking.ask` raises, before anything is shown."""
        asked = await self._asking.ask(question, call, stream=True)
        watched = _Watched(
            request_id=call.request_id,
            user_id=asked.user_id,
            watching=watching,
            location=location_of(call, question.user_id),
        )
        return EventStream(self._events(watched, self._asking.ending(asked, self._seconds)), headers=asked.limits)

    def watch(self, known: KnownRequest, watching: Watching, *, location: str) -> EventStream:
        """Show a request that was asked before, from where its watcher left off."""
        watched = _Watched(request_id=known.request_id, user_id=known.user_id, watching=watching, location=location)
        return EventStream(self._events(watched, self._ended(known)), headers={})

    async def _events(self, watched: _Watched, ending: Coroutine[Any, Any, Ending | None]) -> AsyncIterator[bytes]:
        awaiting = asyncio.ensure_future(ending)
        stepping: asyncio.Future[Any] | None = None
        try:
            yield event("accepted", {"requestId": watched.request_id, "status": "pending"})
            after = watched.watching.after
            seen = None if after is None else await self._partials.step(watched.key, after)
            shown = Shown(seen, resumed=after is not None)
            with self._partials.watching(watched.key, None if seen is None else after) as watcher:
                while not awaiting.done():
                    stepping = stepping or asyncio.ensure_future(watcher.next())
                    await asyncio.wait(
                        {awaiting, stepping}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    if stepping.done():
                        told = shown.events(stepping.result())
                        stepping = None
                        if told:
                            yield told
                    elif not awaiting.done():
                        yield HEARTBEAT
            yield _last(awaiting.result(), watched)
        finally:
            if not awaiting.done() and watched.watching.cancels:
                self._call_off(watched)
            for future in (awaiting, stepping):
                if future is not None:
                    future.cancel()

    async def _ended(self, known: KnownRequest) -> Ending | None:
        """The ending of a request that was asked elsewhere, from the ledger; None where it does not come in time."""
        latest: KnownRequest | None = known
        try:
            async with asyncio.timeout(self._seconds):
                while latest is None or latest.ending is None:
                    await asyncio.sleep(LOOK_SECONDS)
                    try:
                        latest = await self._ledger.of_user(known.user_id, known.request_id)
                    except LedgerUnavailable as error:
                        log.warning("a request could not be read: %s", error)
        except TimeoutError:
            return None
        return latest.ending

    def _call_off(self, watched: _Watched) -> None:
        """Whoever wanted the answer has left, and said that then nobody does."""

        async def call_off() -> None:
            try:
                await self._cancelling.cancel(watched.user_id, watched.request_id)
            except Refusal as refusal:
                log.warning("a request that was left goes on: %s", refusal)

        task = asyncio.create_task(call_off())
        self._calling_off.add(task)
        task.add_done_callback(self._calling_off.discard)


def _last(ending: Ending | None, watched: _Watched) -> bytes:
    match ending:
        case GenerationCompleted():
            return event("completed", answer_body(ending))
        case GenerationFailed():
            refusal = refusal_of(ending)
            return event("failed", {"status": refusal.status, **refusal.body()})
        case None:
            told = {"requestId": watched.request_id, "status": "pending", "location": watched.location}
            return event("pending", {**told, "message": "The answer takes longer; read it at location"})
