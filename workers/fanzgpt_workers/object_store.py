"""The object store, over obstore: a folder, S3 or Google Cloud Storage, by its URL.

S3 and GCS sign their own links. A folder cannot: there the gateway serves what a signature of ours allows.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import GCSStore, LocalStore, ObjectStore, S3Store, from_url

from fanzgpt_schemas.uploads import signature
from fanzgpt_workers.errors import ConfigurationError, StoreUnavailable

MEDIA_PATH: Final = "/media/"


class ObstoreObjects:
    """Implements `media_ports.Objects`."""

    def __init__(
        self, store: ObjectStore, *, name: str, gateway_url: str, secret: bytes, now: Callable[[], datetime]
    ) -> None:
        """`name` is for errors; links to a folder lead to the gateway, signed with `secret`."""
        self._store = store
        self._name = name
        self._gateway_url = gateway_url.rstrip("/")
        self._secret = secret
        self._now = now

    async def get(self, key: str, *, most_bytes: int) -> bytes | None:
        """See `media_ports.Objects`."""
        try:
            found = await obstore.get_async(self._store, key)
            if found.meta["size"] > most_bytes:
                return None
            return bytes(await found.bytes_async())
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise self._away(error) from error

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        """See `media_ports.Objects`."""
        # A folder has nowhere to note a type; the gateway knows it by the name.
        attributes = {} if isinstance(self._store, LocalStore) else {"Content-Type": media_type}
        try:
            await obstore.put_async(self._store, key, data, attributes=attributes or None)
        except (BaseError, OSError) as error:
            raise self._away(error) from error

    async def link(self, key: str, *, expires: datetime) -> str:
        """See `media_ports.Objects`."""
        if isinstance(self._store, S3Store | GCSStore):
            try:
                return await obstore.sign_async(self._store, "GET", key, expires - self._now())
            except (BaseError, OSError) as error:
                raise self._away(error) from error
        until = int(expires.timestamp())
        signed = signature(key, expires=until, secret=self._secret)
        return f"{self._gateway_url}{MEDIA_PATH}{quote(key)}?expires={until}&signature={signed}"

    def _away(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"the object store {self._name}: {type(error).__name__}")


def open_objects(url: str, *, gateway_url: str, secret: str | None, now: Callable[[], datetime]) -> ObstoreObjects:
    """The store at this URL; nothing is asked of it yet. A folder is made where there is none.

    Raises ConfigurationError for a URL that names no store, and for a folder without a secret to sign links with.
    """
    is_folder = url.startswith("file:")
    if is_folder and not secret:
        raise ConfigurationError(
            "OBJECT_STORE_URL is a folder: its links need MEDIA_SIGNING_KEY, the same as the gateway's"
        )
    try:
        store = LocalStore(urlsplit(url).path, mkdir=True) if is_folder else from_url(url)
    except (BaseError, OSError, ValueError) as error:
        raise ConfigurationError(f"OBJECT_STORE_URL={url} names no store: {error}") from error
    return ObstoreObjects(store, name=url, gateway_url=gateway_url, secret=(secret or "").encode(), now=now)
