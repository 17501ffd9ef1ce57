"""Chat completions through OpenAI's SDK: the reference of the protocol."""

import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import aiohttp
import httpx2
import openai
from pydantic import JsonValue

from fanzgpt_workers.ports import Completion, ProviderCall, Speech
from fanzgpt_workers.providers import chat_completions, speech
from fanzgpt_workers.providers.classification import broken, refusal
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.exchange import Answer, call_headers, in_time
from fanzgpt_workers.providers.headroom import with_headroom
from fanzgpt_workers.providers.sdk_http import http_client, timeout
from fanzgpt_workers.providers.streamed import Feed, complete_streamed


class OpenAIProvider:
    """A chat-completions endpoint over the SDK, with the SDK's own retries off. See `Provider` for the promises.

    The SDK sends; the answer is read by `chat_completions`, since the SDK takes whatever comes for an answer.
    """

    def __init__(self, endpoint: Endpoint, bounds: Bounds, *, now: Callable[[], float] = time.time) -> None:
        """Open one client for one key; nothing is sent yet."""
        base_url = endpoint.base_url or chat_completions.BASE_URL
        self._name = endpoint.name
        self._now = now
        self._endpoint = endpoint
        self._bounds = bounds
        self._speaking: openai.AsyncOpenAI | None = None
        self._dialect = chat_completions.Dialect.spoken_at(
            base_url, limit_field=endpoint.limit_field, stores=endpoint.stores_answers
        )
        self._client = openai.AsyncOpenAI(
            api_key=endpoint.api_key or "none",
            base_url=base_url,
            max_retries=0,
            timeout=timeout(bounds),
            http_client=http_client(openai.DefaultAioHttpClient, endpoint, bounds),
        )
        # The SDK would fill these in from the environment; settings are the only source.
        self._headers: dict[str, str | openai.Omit] = {
            "OpenAI-Organization": openai.omit,
            "OpenAI-Project": openai.omit,
        }
        if endpoint.api_key is None:
            self._headers["Authorization"] = openai.omit

    @property
    def name(self) -> str:
        """As it stands in settings, attempts and metrics."""
        return self._name

    async def complete(self, call: ProviderCall) -> Completion:
        """Make the call; one HTTP request, never repeated."""
        if call.prompt.speech is not None:
            return await self._speak(call, call.prompt.speech)
        if call.grown is not None:
            return await complete_streamed(
                call,
                chat_completions.Growth(asked_model=call.model),
                lambda feed: self._exchange_streamed(call, feed),
                read_whole=partial(chat_completions.read, asked_model=call.model),
                now=self._now,
            )
        body = chat_completions.body(call, self._dialect)
        answer = await in_time(call, self._exchange(call, self._client, chat_completions.PATH, body))
        if answer.status >= 300:
            raise refusal(answer, prompt=call.prompt, now=self._now())
        return with_headroom(chat_completions.read(answer.content, asked_model=call.model), answer.headers)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()
        if self._speaking is not None:
            await self._speaking.close()

    async def _speak(self, call: ProviderCall, spoken: Speech) -> Completion:
        if self._speaking is None:  # over connections of its own: audio is larger than any text may be
            larger = http_client(openai.DefaultAioHttpClient, self._endpoint, speech.speech_bounds(self._bounds))
            self._speaking = self._client.copy(http_client=larger)
        asked = speech.body(call, spoken)
        answer = await in_time(call, self._exchange(call, self._speaking, speech.PATH, asked))
        if answer.status >= 300:
            raise refusal(answer, prompt=call.prompt, now=self._now())
        return with_headroom(speech.read(answer, call, spoken), answer.headers)

    async def _exchange(
        self, call: ProviderCall, client: openai.AsyncOpenAI, path: str, body: Mapping[str, JsonValue]
    ) -> Answer:
        try:
            # The SDK's own way to send any request: its `create` looks every value of a body up in its types, which
            # takes as much CPU as the call itself and changes nothing in a body that is made to the API's letter.
            answer = await client.post(
                path,
                cast_to=httpx2.Response,
                body=body,
                options={"headers": {**self._headers, **call_headers(call)}},
            )
        except openai.APIStatusError as error:
            return Answer(error.response.status_code, error.response.headers, error.response.content)
        except (openai.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            raise broken(error) from error
        return Answer(answer.status_code, answer.headers, answer.content)

    async def _exchange_streamed(self, call: ProviderCall, feed: Feed) -> Answer:
        try:
            # Of the SDK's streams only the raw answer is taken: `streamed` reads it, and says whether it was complete.
            posting: Any = self._client.post(
                chat_completions.PATH,
                cast_to=httpx2.Response,
                body=chat_completions.body(call, self._dialect),
                options={"headers": {**self._headers, **call_headers(call)}},
                stream=True,
                stream_cls=openai.AsyncStream[Any],
            )
            answer: httpx2.Response = await posting
            async with aclosing(answer):
                async for chunk in answer.aiter_bytes():
                    feed(chunk)
        except openai.APIStatusError as error:
            return Answer(error.response.status_code, error.response.headers, error.response.content)
        except (openai.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            raise broken(error) from error
        return Answer(answer.status_code, answer.headers, b"")
