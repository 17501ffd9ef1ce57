"""Chat completions without the SDK."""

import time
from collections.abc import Callable
from functools import partial

from fanzgpt_workers.ports import Completion, ProviderCall, Speech
from fanzgpt_workers.providers import chat_completions, speech
from fanzgpt_workers.providers.classification import refusal
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.exchange import call_headers, in_time
from fanzgpt_workers.providers.headroom import with_headroom
from fanzgpt_workers.providers.streamed import complete_streamed
from fanzgpt_workers.providers.wire.session import wire_session


class WireOpenAIProvider:
    """A chat-completions endpoint over plain HTTP; promises what `OpenAIProvider` promises."""

    def __init__(self, endpoint: Endpoint, bounds: Bounds, *, now: Callable[[], float] = time.time) -> None:
        """Set up; nothing is opened or sent yet."""
        base_url = (endpoint.base_url or chat_completions.BASE_URL).rstrip("/")
        self._name = endpoint.name
        self._now = now
        self._dialect = chat_completions.Dialect.spoken_at(
            base_url, limit_field=endpoint.limit_field, stores=endpoint.stores_answers
        )
        self._session = wire_session(endpoint, bounds, url=base_url + chat_completions.PATH, headers={})
        # Connections of its own, none of them open before the first call: audio is larger than any text may be.
        self._speaking = wire_session(
            endpoint, speech.speech_bounds(bounds), url=base_url + speech.PATH, headers={"Accept": "*/*"}
        )

    @property
    def name(self) -> str:
        """As it stands in settings, attempts and metrics."""
        return self._name

    async def complete(self, call: ProviderCall) -> Completion:
        """Make the call; one HTTP request, never repeated."""
        if call.prompt.speech is not None:
            return await self._speak(call, call.prompt.speech)
        body = chat_completions.body(call, self._dialect)
        if call.grown is not None:
            return await complete_streamed(
                call,
                chat_completions.Growth(asked_model=call.model),
                lambda feed: self._session.post(body, call_headers(call), feed),
                read_whole=partial(chat_completions.read, asked_model=call.model),
                now=self._now,
            )
        answer = await in_time(call, self._session.post(body, call_headers(call)))
        if answer.status >= 300:
            raise refusal(answer, prompt=call.prompt, now=self._now())
        return with_headroom(chat_completions.read(answer.content, asked_model=call.model), answer.headers)

    async def aclose(self) -> None:
        """Close the connections; idempotent."""
        await self._session.aclose()
        await self._speaking.aclose()

    async def _speak(self, call: ProviderCall, spoken: Speech) -> Completion:
        answer = await in_time(call, self._speaking.post(speech.body(call, spoken), call_headers(call)))
        if answer.status >= 300:
            raise refusal(answer, prompt=call.prompt, now=self._now())
        return with_headroom(speech.read(answer, call, spoken), answer.headers)
