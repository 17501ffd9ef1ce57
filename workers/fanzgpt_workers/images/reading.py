"""What the bytes of an image are, by the bytes alone: its type, its size, and whether both are within bounds.

Only headers are read here. An image of a few kilobytes may unfold to gigabytes of pixels, so how many it claims to have
is looked at before anybody unfolds it.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from fanzgpt_workers.errors import InputRefused
from fanzgpt_workers.ports import Image

MEDIA_TYPES: Final = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
"""What both makers' models take, by Pillow's name; it tries no other format, so no other decoder can be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBounds:
    """How large an image may be: its file in bytes, its frame in pixels."""

    most_bytes: int
    most_pixels: int


def read_image(data: bytes, bounds: ImageBounds) -> Image:
    """The image with its true type, whatever it was said to be; raises InputRefused for what is none or too large."""
    from PIL import Image as Pillow  # noqa: PLC0415  # only where images are read

    if len(data) > bounds.most_bytes:
        raise InputRefused(f"imageUrl: the image is larger than {bounds.most_bytes:,} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # our own bound is below
            with Pillow.open(BytesIO(data), formats=tuple(MEDIA_TYPES)) as opened:
                kind, (width, height) = opened.format, opened.size
    except Pillow.DecompressionBombError:
        raise _too_many(bounds) from None
    except Exception:  # noqa: BLE001  # whatever a broken file makes a decoder raise, it is the file that is broken
        raise InputRefused("imageUrl: this is no PNG, JPEG, GIF or WebP image") from None
    if width * height > bounds.most_pixels:
        raise _too_many(bounds)
    return Image(media_type=MEDIA_TYPES[kind or ""], data=data, width=width, height=height)


def _too_many(bounds: ImageBounds) -> InputRefused:
    return InputRefused(f"imageUrl: the image has more than {bounds.most_pixels:,} pixels")
