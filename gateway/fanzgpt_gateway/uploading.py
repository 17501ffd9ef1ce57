"""Images that come with a call: kept in the object store under their user, and named in the request by an address."""

import re
from base64 import b64decode
from typing import Final

from fanzgpt_gateway.object_store import MediaStore
from fanzgpt_gateway.refusals import Refusal
from fanzgpt_schemas.identity import user_key
from fanzgpt_schemas.uploads import digest_of, image_type, upload_key, upload_url

_DATA_URL: Final = re.compile(r"data:image/[a-z+.-]{1,20};base64,", re.IGNORECASE)


class ImageNotTaken(Refusal):
    """What was sent is not an image that is kept here, however well the call was formed."""

    def __init__(self, message: str) -> None:
        super().__init__(422, "Image not taken", message)


class Uploading:
    """Keeps images. Whatever they are said to be, their bytes have to be those of a PNG, JPEG, GIF or WebP."""

    def __init__(self, store: MediaStore | None, *, most_bytes: int) -> None:
        """Without a store every image is refused, with the setting that is missing."""
        self._store = store
        self._most = most_bytes

    async def keep(self, data: bytes, user_id: str) -> tuple[str, str]:
        """The image's address for an `imageUrl` and its type; the same bytes of the same user have the same address.

        Raises:
            ImageNotTaken: there is no store, or it is no image that models look at.
            Refusal: the store does not answer, or the image is too large.
        """
        if self._store is None:
            raise ImageNotTaken("Images cannot be kept here: OBJECT_STORE_URL is not set; send an https URL")
        if len(data) > self._most:
            raise Refusal(413, "Body too large", f"An image of at most {self._most:,} bytes is taken")
        kind = image_type(data)
        if kind is None:
            raise ImageNotTaken("This is no PNG, JPEG, GIF or WebP image")
        digest = digest_of(data)
        await self._store.put(upload_key(user_key(user_id), digest), data)
        return upload_url(digest), kind

    async def keep_data_url(self, url: str, user_id: str) -> str:
        """The same for a `data:` URL."""
        head = _DATA_URL.match(url)
        if head is None:
            raise ImageNotTaken("This is no data:image/...;base64 URL")
        try:
            data = b64decode(url[head.end() :], validate=True)
        except ValueError:
            raise ImageNotTaken("The data URL is not base64") from None
        kept, _ = await self.keep(data, user_id)
        return kept
