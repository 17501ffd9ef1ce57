"""What was spoken goes to the object store, and only a link to it goes on: audio is never inside an event."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import orjson

from fanzgpt_schemas.uploads import audio_key
from fanzgpt_workers.errors import ServerError, StoreUnavailable
from fanzgpt_workers.media_ports import Objects
from fanzgpt_workers.ports import Completion, Provider, ProviderCall
from fanzgpt_workers.speech.rules import MEDIA_TYPES

PAUSE_SECONDS: Final = 0.2


class KeptSpeech:
    """A provider whose spoken answers are kept: its completions hold `{"audioUrl", "format", "expiresAt"}` as text.

    The speech is paid for by then, so a store that is away is asked again for as long as the call has time; after that
    the call counts as failed and may have been billed.
    """

    def __init__(self, provider: Provider, store: Objects, *, now: Callable[[], datetime], link_seconds: int) -> None:
        """Links are valid for `link_seconds` from the moment they are made."""
        self._provider = provider
        self._store = store
        self._now = now
        self._link_seconds = link_seconds

    @property
    def name(self) -> str:
        """See `Provider`."""
        return self._provider.name

    async def complete(self, call: ProviderCall) -> Completion:
        """See `Provider`."""
        speech = call.prompt.speech
        if speech is None:
            return await self._provider.complete(call)
        until = asyncio.get_running_loop().time() + call.timeout
        completion = await self._provider.complete(call)
        key, expires = audio_key(call.attempt_id, speech.format), self._expires()
        while True:
            try:
                await self._store.put(key, completion.audio, media_type=MEDIA_TYPES[speech.format])
                link = await self._store.link(key, expires=expires)
                break
            except StoreUnavailable as error:
                if asyncio.get_running_loop().time() + PAUSE_SECONDS > until:
                    raise ServerError(f"the speech could not be kept: {error}") from error
                await asyncio.sleep(PAUSE_SECONDS)
        told = {"audioUrl": link, "format": speech.format, "expiresAt": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return replace(completion, text=orjson.dumps(told).decode(), audio=b"")

    async def aclose(self) -> None:
        """See `Provider`."""
        await self._provider.aclose()

    def _expires(self) -> datetime:
        return (self._now() + timedelta(seconds=self._link_seconds)).replace(microsecond=0)
