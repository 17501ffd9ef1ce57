"""OpenAI's Batch API through its SDK: a file of calls in, a file of answers and one of errors out.

A batch carries our key in its metadata, so that one whose creation was answered to nobody is found again. The file is
uploaded before; one that no batch was made of costs nothing.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import openai
import orjson

from fanzgpt_workers.batches.ports import CallEnded, Search
from fanzgpt_workers.ports import ProviderCall
from fanzgpt_workers.providers import chat_completions
from fanzgpt_workers.providers.batch_exchange import (
    BOUNDS,
    CREATION_SECONDS,
    EXCHANGE_SECONDS,
    answered,
    json_lines,
    named,
    not_made,
    refused,
)
from fanzgpt_workers.providers.endpoint import Endpoint
from fanzgpt_workers.providers.json_answers import count, member, text_member
from fanzgpt_workers.providers.openai_exchange import exchange, open_client

KEY: Final = "fanzgpt_batch"
_OVER: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_PAGE: Final = 100
_SKEW_SECONDS: Final = 600


class OpenAIBatches:
    """See `BatchApi` for the promises."""

    def __init__(self, endpoint: Endpoint, *, now: Callable[[], float] = time.time) -> None:
        """Open one client for one key; nothing is sent yet."""
        base_url = endpoint.base_url or chat_completions.BASE_URL
        self._name = endpoint.name
        self._now = now
        self._dialect = chat_completions.Dialect.spoken_at(base_url, limit_field=endpoint.limit_field)
        self._client = open_client(endpoint, BOUNDS)

    @property
    def name(self) -> str:
        """As it stands in settings, attempts and metrics."""
        return self._name

    async def create(self, key: UUID, calls: Sequence[ProviderCall]) -> str:
        """Upload the calls, then make the batch."""
        lines = b"".join(self._line(call) for call in calls)
        with self._exchange():
            async with asyncio.timeout(CREATION_SECONDS):
                file = await self._client.files.create(file=(f"{key.hex}.jsonl", lines), purpose="batch")
                batch = await self._client.batches.create(
                    input_file_id=file.id,
                    endpoint="/v1/chat/completions",
                    completion_window="24h",
                    metadata={KEY: key.hex},
                )
        return batch.id

    async def find(
        self,
        key: UUID,
        attempt_ids: Collection[UUID],  # noqa: ARG002  # the key is enough here
        *,
        since: datetime,
        others: Collection[str],
    ) -> Search:
        """Look through the batches from the newest back to `since`."""
        earliest = since.timestamp() - _SKEW_SECONDS
        with self._exchange():
            async with asyncio.timeout(CREATION_SECONDS):
                async for batch in self._client.batches.list(limit=_PAGE):
                    if batch.id not in others and (batch.metadata or {}).get(KEY) == key.hex:
                        return Search(found=batch.id)
                    if batch.created_at < earliest:
                        break
        return Search(found=None)

    async def has_ended(self, batch_id: str) -> bool:
        """Whether it is in one of its last states."""
        with self._exchange():
            async with asyncio.timeout(EXCHANGE_SECONDS):
                batch = await self._client.batches.retrieve(batch_id)
        return batch.status in _OVER

    async def results(self, batch_id: str) -> AsyncIterator[CallEnded]:
        """Read both files, line by line."""
        with self._exchange():
            batch = await self._client.batches.retrieve(batch_id)
            for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
                async with self._client.files.with_streaming_response.content(file_id) as content:
                    async for line in json_lines(content.iter_bytes()):
                        ended = self._ended(line)
                        if ended is not None:
                            yield ended

    async def cancel(self, batch_id: str) -> None:
        """Ask for it; 409 says that it has ended, or is about to."""
        with self._exchange():
            async with asyncio.timeout(EXCHANGE_SECONDS):
                try:
                    await self._client.batches.cancel(batch_id)
                except openai.ConflictError:
                    return

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _line(self, call: ProviderCall) -> bytes:
        asked = {
            "custom_id": call.attempt_id.hex,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": chat_completions.body(call, self._dialect),
        }
        return orjson.dumps(asked, option=orjson.OPT_APPEND_NEWLINE)

    def _ended(self, line: object) -> CallEnded | None:
        attempt_id = named(member(line, "custom_id"))
        if attempt_id is None:
            return None
        response = member(line, "response")
        status = count(response, "status_code")
        if status is None:
            code = text_member(member(line, "error"), "code") or "no reason is told"
            return not_made(attempt_id, code)
        body = member(response, "body")
        if status >= 300:
            return refused(attempt_id, status, body, now=self._now())
        return answered(attempt_id, body, partial(chat_completions.read, asked_model=""))

    def _exchange(self) -> AbstractContextManager[None]:
        return exchange(self._name, about="its batches", now=self._now)
