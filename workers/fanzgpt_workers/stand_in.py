"""The provider that is none: answers on this machine, at no cost, what the local model cannot. Never chosen unasked."""

import asyncio

from fanzgpt_workers.core.routing import STAND_IN
from fanzgpt_workers.images.description import describe
from fanzgpt_workers.ports import Completion, ProviderCall
from fanzgpt_workers.speech.tones import speak


class StandIn:
    """Implements `Provider` without a model. Whatever it answers is marked: its provider is `stand-in`."""

    @property
    def name(self) -> str:
        """As it stands in settings, attempts and metrics."""
        return STAND_IN

    async def complete(self, call: ProviderCall) -> Completion:
        """Describe the call's image by facts, or speak in tones; raises Refused for what it has no stand-in for."""
        if call.prompt.speech is not None:
            return await asyncio.to_thread(speak, call)
        completion = await describe(call)
        if call.grown is not None:
            call.grown(completion.text)
        return completion

    async def aclose(self) -> None:
        """Nothing is held."""
