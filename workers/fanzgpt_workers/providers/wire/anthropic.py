"""Messages without the SDK."""

import time
from collections.abc import Callable
from functools import partial

from fanzgpt_workers.errors import Refused
from fanzgpt_workers.ports import Completion, ProviderCall
from fanzgpt_workers.providers import messages
from fanzgpt_workers.providers.classification import refusal
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.exchange import call_headers, in_time
from fanzgpt_workers.providers.headroom import with_headroom
from fanzgpt_workers.providers.streamed import complete_streamed
from fanzgpt_workers.providers.wire.session import wire_session


class WireAnthropicProvider:
    """A messages endpoint over plain HTTP; promises what `AnthropicProvider` promises."""

    def __init__(self, endpoint: Endpoint, bounds: Bounds, *, now: Callable[[], float] = time.time) -> None:
        """Set up; nothing is opened or sent yet."""
        base_url = (endpoint.base_url or messages.BASE_URL).rstrip("/")
        self._name = endpoint.name
        self._now = now
        self._session = wire_session(endpoint, bounds, url=base_url + messages.PATH, headers=messages.VERSION_HEADER)

    @property
    def name(self) -> str:
        """As it stands in settings, attempts and metrics."""
        return self._name

    async def complete(self, call: ProviderCall) -> Completion:
        """Make the call; one HTTP request, never repeated."""
        if call.prompt.speech is not None:
            raise Refused("this endpoint makes no speech")
        body = messages.body(call)
        if call.grown is not None:
            return await complete_streamed(
                call,
                messages.Growth(asked_model=call.model),
                lambda feed: self._session.post(body, call_headers(call), feed),
                read_whole=partial(messages.read, asked_model=call.model),
                now=self._now,
            )
        answer = await in_time(call, self._session.post(body, call_headers(call)))
        if answer.status >= 300:
            raise refusal(answer, prompt=call.prompt, now=self._now())
        return with_headroom(messages.read(answer.content, asked_model=call.model), answer.headers)

    async def aclose(self) -> None:
        """Close the connections; idempotent."""
        await self._session.aclose()
