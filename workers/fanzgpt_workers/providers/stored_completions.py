"""Answers that OpenAI was asked to keep, found by the attempt that asked for them."""

import asyncio
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

import httpx2

from fanzgpt_workers.ports import Completion
from fanzgpt_workers.providers import chat_completions
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.openai_exchange import exchange, open_client

EXCHANGE_SECONDS: Final = 10.0
_BOUNDS: Final = Bounds(connections=64)
"""A worker's successor looks for all its calls at once."""


class StoredCompletions:
    """Implements `ports.StoredAnswers` over OpenAI's SDK."""

    def __init__(self, endpoint: Endpoint, *, now: Callable[[], float] = time.time) -> None:
        """Open one client for one key; nothing is sent yet."""
        self._name = endpoint.name
        self._now = now
        self._client = open_client(endpoint, _BOUNDS)

    async def find(self, attempt_id: UUID, *, model: str) -> Completion | None:
        """See the port."""
        with exchange(self._name, about="a kept answer", now=self._now):
            async with asyncio.timeout(EXCHANGE_SECONDS):
                page = await self._client.chat.completions.list(
                    metadata={chat_completions.STORED_AS: attempt_id.hex}, limit=1
                )
                if not page.data:
                    return None
                kept = await self._client.get(f"{chat_completions.PATH}/{page.data[0].id}", cast_to=httpx2.Response)
        return chat_completions.read(kept.content, asked_model=model)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()
