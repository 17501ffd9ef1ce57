"""Messages through Anthropic's SDK: the reference of the protocol."""

import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import aiohttp
import anthropic
import httpx2

from fanzgpt_workers.errors import Refused
from fanzgpt_workers.ports import Completion, ProviderCall
from fanzgpt_workers.providers import messages
from fanzgpt_workers.providers.classification import broken, refusal
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.exchange import Answer, call_headers, in_time
from fanzgpt_workers.providers.headroom import with_headroom
from fanzgpt_workers.providers.sdk_http import http_client, timeout
from fanzgpt_workers.providers.streamed import Feed, complete_streamed


class AnthropicProvider:
    """A messages endpoint over the SDK, with the SDK's own retries and spans off. See `Provider` for the promises.

    The SDK sends; the answer is read by `messages`, since the SDK takes whatever comes for an answer.
    """

    def __init__(self, endpoint: Endpoint, bounds: Bounds, *, now: Callable[[], float] = time.time) -> None:
        """Open one client for one key; nothing is sent yet."""
        self._name = endpoint.name
        self._now = now
        self._client = anthropic.AsyncAnthropic(
            api_key=endpoint.api_key or "none",
            base_url=endpoint.base_url or messages.BASE_URL,
            max_retries=0,
            timeout=timeout(bounds),
            open_telemetry=False,
            http_client=http_client(anthropic.DefaultAioHttpClient, endpoint, bounds),
        )
        self._headers: dict[str, str | anthropic.Omit] = {}
        if endpoint.api_key is None:
            self._headers["Authorization"] = anthropic.omit

    @property
    def name(self) -> str:
        """As it stands in settings, attempts and metrics."""
        return self._name

    async def complete(self, call: ProviderCall) -> Completion:
        """Make the call; one HTTP request, never repeated."""
        if call.prompt.speech is not None:
            raise Refused("this endpoint makes no speech")
        if call.grown is not None:
            return await complete_streamed(
                call,
                messages.Growth(asked_model=call.model),
                lambda feed: self._exchange_streamed(call, feed),
                read_whole=partial(messages.read, asked_model=call.model),
                now=self._now,
            )
        answer = await in_time(call, self._exchange(call))
        if answer.status >= 300:
            raise refusal(answer, prompt=call.prompt, now=self._now())
        return with_headroom(messages.read(answer.content, asked_model=call.model), answer.headers)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _exchange(self, call: ProviderCall) -> Answer:
        try:
            # The SDK's own way to send any request: see `OpenAIProvider`. Its `create` also has no parameter any more
            # for the temperature, which most models still take.
            answer = await self._client.post(
                messages.PATH,
                cast_to=httpx2.Response,
                body=messages.body(call),
                options={"headers": {**self._headers, **call_headers(call)}},
            )
        except anthropic.APIStatusError as error:
            return Answer(error.response.status_code, error.response.headers, error.response.content)
        except (anthropic.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            raise broken(error) from error
        return Answer(answer.status_code, answer.headers, answer.content)

    async def _exchange_streamed(self, call: ProviderCall, feed: Feed) -> Answer:
        try:
            # Of the SDK's streams only the raw answer is taken: `streamed` reads it, and says whether it was complete.
            posting: Any = self._client.post(
                messages.PATH,
                cast_to=httpx2.Response,
                body=messages.body(call),
                options={"headers": {**self._headers, **call_headers(call)}},
                stream=True,
                stream_cls=anthropic.AsyncStream[Any],
            )
            answer: httpx2.Response = await posting
            async with aclosing(answer):
                async for chunk in answer.aiter_bytes():
                    feed(chunk)
        except anthropic.APIStatusError as error:
            return Answer(error.response.status_code, error.response.headers, error.response.content)
        except (anthropic.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            raise broken(error) from error
        return Answer(answer.status_code, answer.headers, b"")
