"""The image of a request: fetched, or only judged for the provider to fetch, or taken from the uploads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from fanzgpt_schemas.identity import user_key
from fanzgpt_schemas.requests import ImageAnalysisRequested
from fanzgpt_schemas.uploads import upload_key, upload_of
from fanzgpt_workers.errors import InputRefused
from fanzgpt_workers.images.fetching import ImageFetcher
from fanzgpt_workers.images.reading import ImageBounds, read_image
from fanzgpt_workers.media_ports import Objects
from fanzgpt_workers.ports import Image

Delivery = Literal["fetch", "pass"]


class RequestedPictures:
    """Implements `media_ports.Pictures`. Holds at most `at_once` images, each until its calls are over."""

    def __init__(
        self,
        *,
        fetcher: ImageFetcher,
        bounds: ImageBounds,
        delivery: Delivery,
        at_once: int,
        uploads: Objects | None,
    ) -> None:
        """With `pass` the provider fetches what has a public address; without `uploads` there are none."""
        self._fetcher = fetcher
        self._bounds = bounds
        self._delivery = delivery
        self._room = asyncio.Semaphore(at_once)
        self._uploads = uploads

    @asynccontextmanager
    async def of(self, event: ImageAnalysisRequested, *, local: bool) -> AsyncIterator[Image]:
        """See `media_ports.Pictures`."""
        async with self._room:
            yield await self._found(event, local=local)

    async def _found(self, event: ImageAnalysisRequested, *, local: bool) -> Image:
        url = event.input.image_url
        digest = upload_of(url)
        if digest is not None:
            return await self._read(await self._uploaded(event.user_id, digest))
        if self._delivery == "pass" and not local:
            return Image(url=await self._fetcher.check(url))
        return await self._read(await self._fetcher.fetch(url))

    async def _uploaded(self, user_id: str, digest: str) -> bytes:
        if self._uploads is None:
            raise InputRefused("imageUrl: this worker has no object store, where uploads are (OBJECT_STORE_URL)")
        # Of the user's own uploads only: another's are not found, whoever knows their name.
        data = await self._uploads.get(upload_key(user_key(user_id), digest), most_bytes=self._bounds.most_bytes)
        if data is None:
            raise InputRefused("imageUrl: there is no such upload of this user, or it is there no more")
        return data

    async def _read(self, data: bytes) -> Image:
        return await asyncio.to_thread(read_image, data, self._bounds)
