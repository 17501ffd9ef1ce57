"""Anthropic's Message Batches API through its SDK.

Its batches carry no metadata, and tell the ids of their calls only with the results. A batch whose creation was
answered to nobody is therefore known by its time and the number of its calls, and for certain once it has ended.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import aiohttp
import anthropic
import httpx2
import orjson
from anthropic.types.messages import MessageBatch

from fanzgpt_workers.batches.ports import CallEnded, Search
from fanzgpt_workers.errors import TimedOut
from fanzgpt_workers.ports import ProviderCall
from fanzgpt_workers.providers import messages
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
from fanzgpt_workers.providers.classification import NOTHING_ASKED, broken, refusal
from fanzgpt_workers.providers.endpoint import Endpoint
from fanzgpt_workers.providers.exchange import Answer
from fanzgpt_workers.providers.json_answers import member, text_member
from fanzgpt_workers.providers.sdk_http import PLAIN, http_client, timeout

_PAGE: Final = 100
_SKEW: Final = timedelta(seconds=60)
_STATUS_OF: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicBatches:
    """See `BatchApi` for the promises."""

    def __init__(self, endpoint: Endpoint, *, now: Callable[[], float] = time.time) -> None:
        """Open one client for one key; nothing is sent yet."""
        self._name = endpoint.name
        self._now = now
        self._client = anthropic.AsyncAnthropic(
            api_key=endpoint.api_key or "none",
            base_url=endpoint.base_url or messages.BASE_URL,
            max_retries=0,
            timeout=timeout(BOUNDS),
            open_telemetry=False,
            http_client=http_client(anthropic.DefaultAioHttpClient, endpoint, BOUNDS),
            default_headers=PLAIN,
        )

    @property
    def name(self) -> str:
        """As it stands in settings, attempts and metrics."""
        return self._name

    async def create(
        self,
        key: UUID,  # noqa: ARG002  # there is no place for it
        calls: Sequence[ProviderCall],
    ) -> str:
        """Make the batch."""
        # The SDK's types know no temperature any more, which most models still take: see `AnthropicProvider`.
        requests: Any = [{"custom_id": call.attempt_id.hex, "params": messages.body(call)} for call in calls]
        with self._exchange():
            async with asyncio.timeout(CREATION_SECONDS):
                batch = await self._client.messages.batches.create(requests=requests)
        return batch.id

    async def find(
        self,
        key: UUID,  # noqa: ARG002  # no batch carries it
        attempt_ids: Collection[UUID],
        *,
        since: datetime,
        others: Collection[str],
    ) -> Search:
        """Look at the batches of as many calls from `since` on; one that has not ended yet may be it."""
        sure = True
        wanted = {attempt_id.hex for attempt_id in attempt_ids}
        with self._exchange():
            async with asyncio.timeout(CREATION_SECONDS):
                async for batch in self._client.messages.batches.list(limit=_PAGE):
                    if batch.created_at < since - _SKEW:
                        break
                    if batch.id in others or _size(batch) != len(wanted):
                        continue
                    if batch.processing_status != "ended":
                        sure = False
                    elif await self._is_of(batch.id, wanted):
                        return Search(found=batch.id)
        return Search(found=None, sure=sure)

    async def has_ended(self, batch_id: str) -> bool:
        """Whether its results are there."""
        with self._exchange():
            async with asyncio.timeout(EXCHANGE_SECONDS):
                batch = await self._client.messages.batches.retrieve(batch_id)
        return batch.processing_status == "ended"

    async def results(self, batch_id: str) -> AsyncIterator[CallEnded]:
        """Read the results, line by line."""
        async for line in self._lines(batch_id):
            attempt_id = named(member(line, "custom_id"))
            if attempt_id is not None:
                yield self._ended(attempt_id, member(line, "result"))

    async def cancel(self, batch_id: str) -> None:
        """Ask for it; one that has ended stays as it is."""
        with self._exchange():
            async with asyncio.timeout(EXCHANGE_SECONDS):
                await self._client.messages.batches.cancel(batch_id)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _is_of(self, batch_id: str, wanted: Collection[str]) -> bool:
        async for line in self._lines(batch_id):
            return text_member(line, "custom_id") in wanted
        return False

    async def _lines(self, batch_id: str) -> AsyncIterator[object]:
        with self._exchange():
            batches = self._client.messages.batches.with_streaming_response
            async with batches.results(batch_id) as content:
                async for line in json_lines(content.iter_bytes()):
                    yield line

    def _ended(self, attempt_id: UUID, result: object) -> CallEnded:
        match kind := text_member(result, "type"):
            case "succeeded":
                return answered(attempt_id, member(result, "message"), partial(messages.read, asked_model=""))
            case "errored":
                error = member(result, "error")
                said = text_member(member(error, "error"), "type") or ""
                return refused(attempt_id, _STATUS_OF.get(said, 500), error, now=self._now())
            case _:
                return not_made(attempt_id, kind or "no reason is told")

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        try:
            yield
        except anthropic.APIStatusError as error:
            told = Answer(error.response.status_code, error.response.headers, orjson.dumps(error.body))
            raise refusal(told, prompt=NOTHING_ASKED, now=self._now()) from error
        except TimeoutError as error:
            raise TimedOut(f"{self._name} did not answer about its batches in time") from error
        except (anthropic.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            raise broken(error) from error


def _size(batch: MessageBatch) -> int:
    counts = batch.request_counts
    return counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
