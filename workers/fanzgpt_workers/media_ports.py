"""What images and speech need of the outside world: small Protocols, implemented at the edges as those of `ports`."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from fanzgpt_schemas.requests import ImageAnalysisRequested
from fanzgpt_workers.ports import Image, Prompt


class Objects(Protocol):
    """A place for what is too large for events: uploaded images, spoken answers."""

    async def get(self, key: str, *, most_bytes: int) -> bytes | None:
        """What is kept there; None for nothing, or for more than that. Raises StoreUnavailable."""
        ...

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        """Keep it; returns once it is kept. Raises StoreUnavailable."""
        ...

    async def link(self, key: str, *, expires: datetime) -> str:
        """An address at which it can be read by whoever has it, until then. Raises StoreUnavailable."""
        ...


class Pictures(Protocol):
    """The images that requests name."""

    def of(self, event: ImageAnalysisRequested, *, local: bool) -> AbstractAsyncContextManager[Image]:
        """The request's image for the block, `local` with its bytes; raises InputRefused for one that is not taken."""
        ...


def showing(prompt: Prompt, image: Image) -> Prompt:
    """The prompt with the image in its first turn."""
    first, *others = prompt.turns
    return replace(prompt, turns=(replace(first, image=image), *others))
