"""The providers of a process, opened from plain values."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Generic, Literal, Protocol, TypeVar
from uuid import UUID

from fanzgpt_workers.batches.ports import BatchApi
from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.ports import Completion, Provider, ProviderCall, StoredAnswers
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint

Transport = Literal["sdk", "wire"]


class _Closeable(Protocol):
    async def aclose(self) -> None: ...


Opened = TypeVar("Opened", bound=_Closeable)


def open_providers(
    endpoints: Iterable[Endpoint],
    *,
    transport: Transport = "sdk",
    bounds: Bounds | None = None,
    at_once: Collection[str] | None = None,
    now: Callable[[], float] = time.time,
) -> Mapping[str, Provider]:
    """The providers by name; close each with `aclose`. Nothing is read from the environment and nothing is sent.

    An SDK takes a second or two to import, so it is imported when its adapter is opened: here, or in a thread at the
    first call of a provider that `at_once` leaves out.

    Args:
        endpoints: What is to be reached, each under its own name.
        transport: `sdk`, the reference, or `wire`, the same calls at a fraction of the CPU.
        bounds: What each of the providers may use.
        at_once: Names of the providers to open now; None for all of them.
        now: Seconds since the epoch, to read a Retry-After date.

    Raises:
        ConfigurationError: Two endpoints have one name.
    """
    opened: dict[str, Provider] = {}
    for endpoint in endpoints:
        if endpoint.name in opened:
            raise ConfigurationError(f"two providers are named {endpoint.name!r}; each needs a name of its own")
        opens = partial(_open, endpoint, transport, bounds or Bounds(), now)
        later = at_once is not None and endpoint.name not in at_once
        opened[endpoint.name] = _ProviderLater(endpoint.name, opens) if later else opens()
    return opened


def open_batch_api(endpoint: Endpoint, *, now: Callable[[], float] = time.time) -> BatchApi:
    """The endpoint's batches, over its SDK; close with `aclose`. Nothing is sent yet."""
    if endpoint.protocol == "chat-completions":
        from fanzgpt_workers.providers.openai_batches import OpenAIBatches  # noqa: PLC0415 - see above

        return OpenAIBatches(endpoint, now=now)
    from fanzgpt_workers.providers.anthropic_batches import AnthropicBatches  # noqa: PLC0415 - see above

    return AnthropicBatches(endpoint, now=now)


def open_stored_answers(endpoint: Endpoint, *, now: Callable[[], float] = time.time) -> StoredAnswers:
    """What the endpoint keeps, over its SDK, which is imported by the first look; close with `aclose`."""
    return _StoredLater(partial(_stored_completions, endpoint, now))


def _stored_completions(endpoint: Endpoint, now: Callable[[], float]) -> StoredAnswers:
    from fanzgpt_workers.providers.stored_completions import StoredCompletions  # noqa: PLC0415 - see above

    return StoredCompletions(endpoint, now=now)


def _open(endpoint: Endpoint, transport: Transport, bounds: Bounds, now: Callable[[], float]) -> Provider:
    match transport, endpoint.protocol:
        case "sdk", "chat-completions":
            from fanzgpt_workers.providers.openai import OpenAIProvider  # noqa: PLC0415 - see above

            return OpenAIProvider(endpoint, bounds, now=now)
        case "sdk", "messages":
            from fanzgpt_workers.providers.anthropic import AnthropicProvider  # noqa: PLC0415 - see above

            return AnthropicProvider(endpoint, bounds, now=now)
        case "wire", "chat-completions":
            from fanzgpt_workers.providers.wire.openai import WireOpenAIProvider  # noqa: PLC0415 - see above

            return WireOpenAIProvider(endpoint, bounds, now=now)
        case _:
            from fanzgpt_workers.providers.wire.anthropic import WireAnthropicProvider  # noqa: PLC0415 - see above

            return WireAnthropicProvider(endpoint, bounds, now=now)


class _Later(Generic[Opened]):
    """Something that is opened, in a thread, by its first use."""

    def __init__(self, opens: Callable[[], Opened]) -> None:
        self._opens = opens
        self._opening: asyncio.Task[Opened] | None = None

    async def opened(self) -> Opened:
        if self._opening is None:
            self._opening = asyncio.create_task(asyncio.to_thread(self._opens))
        return await asyncio.shield(self._opening)

    async def aclose(self) -> None:
        if self._opening is not None:
            await (await self._opening).aclose()


class _ProviderLater(_Later[Provider]):
    """Implements `ports.Provider`."""

    def __init__(self, name: str, opens: Callable[[], Provider]) -> None:
        super().__init__(opens)
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def complete(self, call: ProviderCall) -> Completion:
        provider = await self.opened()
        return await provider.complete(call)


class _StoredLater(_Later[StoredAnswers]):
    """Implements `ports.StoredAnswers`."""

    async def find(self, attempt_id: UUID, *, model: str) -> Completion | None:
        stored = await self.opened()
        return await stored.find(attempt_id, model=model)
