"""An image is what its bytes say, and no larger than it may be."""

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.images.pictured import picture

from fanzgpt_schemas.uploads import digest_of, image_type, upload_of, upload_url
from fanzgpt_workers.errors import InputRefused
from fanzgpt_workers.images.description import facts
from fanzgpt_workers.images.reading import ImageBounds, read_image

BOUNDS = ImageBounds(most_bytes=100_000, most_pixels=1_000_000)


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be of that size."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"\0" * 1_000)) + part(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp")],
)
def test_the_type_is_read_from_the_bytes(kind: str, media_type: str) -> None:
    image = read_image(picture(kind), BOUNDS)
    assert (image.media_type, image.width, image.height) == (media_type, 64, 32)
    assert image_type(picture(kind)) == media_type


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"<html><img src=x></html>",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        picture("BMP"),
        picture("TIFF"),
        picture("PNG")[:20],
    ],
)
def test_what_is_no_image_of_the_four_types_is_refused(data: bytes) -> None:
    with pytest.raises(InputRefused, match="no PNG"):
        read_image(data, BOUNDS)


@pytest.mark.parametrize("size", [(1_001, 1_000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_an_image_that_would_unfold_past_the_bound_is_never_unfolded(size: tuple[int, int]) -> None:
    with pytest.raises(InputRefused, match="pixels"):
        read_image(claiming(*size), BOUNDS)


def test_an_image_of_too_many_bytes_is_refused() -> None:
    with pytest.raises(InputRefused, match="100,000 bytes"):
        read_image(b"\x89PNG\r\n\x1a\n" + b"\0" * 100_000, BOUNDS)


@given(st.binary(max_size=300), st.sampled_from([picture(kind)[:12] for kind in ("PNG", "JPEG", "GIF", "WEBP")]))
def test_no_bytes_whatever_raise_anything_but_a_refusal(data: bytes, beginning: bytes) -> None:
    for candidate in (data, beginning + data):
        with contextlib.suppress(InputRefused):
            assert read_image(candidate, BOUNDS).media_type == image_type(candidate)


def test_the_facts_of_an_image_are_those_of_the_image() -> None:
    blue, red = read_image(picture(), BOUNDS), read_image(picture(size=(32, 64), colour=(220, 40, 40)), BOUNDS)
    assert facts(blue) == facts(read_image(picture(), BOUNDS))
    assert "PNG, 64 x 32 pixels, landscape" in facts(blue)
    assert "blue #325ac8 (100 %)" in facts(blue)
    assert "portrait" in facts(red)
    assert "red" in facts(red)


@given(st.binary(max_size=100))
def test_an_uploads_address_names_its_digest_and_leads_nowhere(data: bytes) -> None:
    url = upload_url(digest_of(data))
    assert upload_of(url) == digest_of(data)
    assert upload_of(url + "/..") is None
    assert upload_of("https://images.example/" + digest_of(data)) is None
    assert url.split("/")[2].endswith(".invalid")
