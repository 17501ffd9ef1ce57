"""The object store as the gateway needs it: uploads go in, and what a signed link allows comes out."""

from typing import Final
from urllib.parse import urlsplit

from fanzgpt_gateway.refusals import Refusal

MEDIA_TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/L16",
}
"""By the ending of a name: a folder has nowhere else to note a type."""


class StoreUnopened(Exception):
    """The store's URL names no store."""


class StoreAway(Refusal):
    """The object store does not answer."""

    def __init__(self) -> None:
        super().__init__(
            503, "Service unavailable", "The object store does not answer; try again", headers={"Retry-After": "1"}
        )


class MediaStore:
    """A folder, S3 or Google Cloud Storage, by its URL. Nothing is asked of it before its first use."""

    def __init__(self, url: str) -> None:
        """Raises StoreUnopened for a URL that names no store. A folder is made where there is none."""
        from obstore.exceptions import BaseError  # noqa: PLC0415  # only where there is a store
        from obstore.store import LocalStore, from_url  # noqa: PLC0415  # as above

        self.is_folder = url.startswith("file:")
        try:
            self._store = LocalStore(urlsplit(url).path, mkdir=True) if self.is_folder else from_url(url)
        except (BaseError, OSError, ValueError) as error:
            raise StoreUnopened(f"OBJECT_STORE_URL names no store: {error}") from error

    async def put(self, key: str, data: bytes) -> None:
        """Keep it; raises StoreAway."""
        import obstore  # noqa: PLC0415  # as above
        from obstore.exceptions import BaseError  # noqa: PLC0415  # as above

        try:
            await obstore.put_async(self._store, key, data)
        except (BaseError, OSError) as error:
            raise StoreAway from error

    async def get(self, key: str) -> bytes | None:
        """What is kept there, None for nothing; raises StoreAway."""
        import obstore  # noqa: PLC0415  # as above
        from obstore.exceptions import BaseError, NotFoundError  # noqa: PLC0415  # as above

        try:
            found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise StoreAway from error
